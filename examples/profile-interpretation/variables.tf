variable "alarm_emails" {
  description = "Addresses that are told of alarms."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "authorizer" {
  description = "Whose tokens are let in, and which claim of them names the tenant."
  type = object({
    issuer       = string
    audience     = list(string)
    scopes       = optional(list(string))
    tenant_claim = optional(string)
  })
  nullable = false
}

variable "deletion_protection" {
  description = "Whether tables and bucket refuse to be deleted."
  type        = bool
  nullable    = false
  default     = true
}

variable "environment" {
  description = "Environment variables for every function."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "lease" {
  description = "How long a worker holds a job without a sign of life, and how often it gives one, in seconds."
  type = object({
    heartbeat_s = optional(number)
    lease_s     = optional(number)
  })
  nullable = false
  default  = {}
}

variable "maximum_concurrency" {
  description = "Analyses that may run at once in each lane, 2 to 1000; null lets 10 of high, 6 of medium and 4 of low run."
  type        = number
  default     = null
}

variable "name" {
  description = "Prefix of every name in the stack."
  type        = string
  nullable    = false
}

variable "package" {
  description = "The built zip, as its manifest describes it."
  type = object({
    architecture  = optional(string)
    path          = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
    size_bytes    = optional(number)
    version       = optional(string)
  })
  nullable = false
}

variable "tags" {
  description = "Tags for everything made here."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "web_origins" {
  description = "Origins of the web pages that submit, upload and poll, e.g. \"https://app.example.com\"."
  type        = list(string)
  nullable    = false
  default     = []
}
