variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table. To destroy a stack, apply it with false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the table; null takes the account's own key for DynamoDB. Whoever reads or writes then needs kms:Decrypt and kms:GenerateDataKey on it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "DynamoDB takes a key by its ARN: set kms_key_arn to arn:PARTITION:kms:REGION:ACCOUNT:key/ID (no alias), or leave it null."
  }
}

variable "name" {
  description = "Name of the table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "A table's name has 3 to 255 letters, digits, -, _ and dots: correct name."
  }
}

variable "point_in_time_recovery" {
  description = "Whether every second of the last 35 days can be restored."
  type        = bool
  default     = true
  nullable    = false
}

variable "stream" {
  description = "Whether changes are streamed, with the old and the new item."
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
