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

variable "database_secret_arn" {
  description = "ARN of the Secrets Manager secret with the login at PostgreSQL: host, port, username, password, and the database as `database` or `dbname`."
  type        = string
  nullable    = false
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
  description = "Documents that may be worked on at once, 2 to 10; null means 10."
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

variable "vpc" {
  description = "Subnets and security groups from which the worker reaches the database; null for a database with a public address. The subnets need ways to S3, SQS, DynamoDB, Secrets Manager and Bedrock."
  type = object({
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  default = null
}

variable "web_origins" {
  description = "Origins of the web pages that submit, upload and poll, e.g. \"https://app.example.com\"."
  type        = list(string)
  nullable    = false
  default     = []
}
