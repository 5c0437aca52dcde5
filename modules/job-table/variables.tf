variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table. To destroy a stack, apply it with false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the table. Null uses the AWS managed key for DynamoDB. With a key of your own, readers and writers need kms:Decrypt and kms:GenerateDataKey on it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias, or null."
  }
}

variable "name" {
  description = "Name of the table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "name must have 3 to 255 letters, digits, hyphens, underscores and dots."
  }
}

variable "point_in_time_recovery" {
  description = "Whether point-in-time recovery is enabled: the table can be restored to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "stream" {
  description = "Whether the table has a stream with the old and the new image of each changed item."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of the table."
  type        = map(string)
  default     = {}
  nullable    = false
}
