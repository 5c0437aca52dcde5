variable "alarm_emails" {
  description = "Addresses that receive the alarms."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "authorizer" {
  description = "Issuer and audience of the tokens that the API accepts. The claim `tenant` of a token names the owner of the job."
  type = object({
    issuer   = string
    audience = list(string)
  })
  nullable = false
}

variable "deletion_protection" {
  description = "Whether the tables and the bucket are protected from deletion."
  type        = bool
  nullable    = false
  default     = true
}

variable "model_id" {
  description = "Default model of `job.ask`. `bedrock_model_ids` in main.tf must allow it."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Prefix of all names in the stack."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Path of the manifest that `analysis-jobs package` writes."
  type        = string
  nullable    = false
  default     = "../dist/letter-summary-arm64.json"
}

variable "region" {
  description = "Region of the stack."
  type        = string
  nullable    = false
}
