variable "package" {
  description = "The built zip, as its manifest describes it."
  type = object({
    architecture  = optional(string)
    path          = string
    sha256_base64 = string
    version       = optional(string)
  })
  nullable = false
}

variable "region" {
  description = "Region of the local cloud."
  type        = string
  nullable    = false
  default     = "eu-west-1"
}

variable "stand_in_url" {
  description = "Base URL of the stand-in for Bedrock, which also issues the tokens."
  type        = string
  nullable    = false
}
