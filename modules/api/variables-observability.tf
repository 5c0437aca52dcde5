variable "log_class" {
  description = "Class of the access log: \"STANDARD\" or \"INFREQUENT_ACCESS\", which costs half and has no metric filters, no subscription filters and no Live Tail. A change replaces the log group with its lines."
  type        = string
  nullable    = false
  default     = "STANDARD"

  validation {
    condition     = contains(["STANDARD", "INFREQUENT_ACCESS"], var.log_class)
    error_message = "log_class must be \"STANDARD\" or \"INFREQUENT_ACCESS\"."
  }
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the access log. Its key policy must allow the service logs.REGION to use it. Null uses a key of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.log_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.log_key_arn))
    error_message = "log_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias, or null."
  }
}
