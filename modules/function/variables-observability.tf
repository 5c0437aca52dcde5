variable "log_class" {
  description = "Class of the log group: \"STANDARD\" or \"INFREQUENT_ACCESS\", which costs half and has no metric filters, no metrics from log lines, no subscription filters and no Live Tail. A change replaces the log group with its lines."
  type        = string
  default     = "STANDARD"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "INFREQUENT_ACCESS"], var.log_class)
    error_message = "log_class must be \"STANDARD\" or \"INFREQUENT_ACCESS\"."
  }
}

variable "log_format" {
  description = "Format of Lambda's own log lines: \"JSON\" or \"Text\". Lambda filters by `log_level` in JSON only."
  type        = string
  default     = "JSON"
  nullable    = false

  validation {
    condition     = contains(["JSON", "Text"], var.log_format)
    error_message = "log_format must be \"JSON\" or \"Text\"."
  }
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the log. Its key policy must allow the service logs.REGION to use it. Null uses a key of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.log_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.log_key_arn))
    error_message = "log_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias, or null."
  }
}

variable "tracing" {
  description = "\"Active\" traces invocations with X-Ray and lets the role send traces. \"PassThrough\" traces only what a caller has chosen to trace."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing)
    error_message = "tracing must be \"Active\" or \"PassThrough\"."
  }
}
