variable "code_signing_config_arn" {
  description = "ARN of a code signing configuration. Lambda then accepts only a package that a signing profile of it has signed. Null accepts any package."
  type        = string
  default     = null

  validation {
    condition     = var.code_signing_config_arn == null ? true : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:code-signing-config:csc-[a-z0-9]{17}$", var.code_signing_config_arn))
    error_message = "code_signing_config_arn must be the ARN of a configuration (arn:PARTITION:lambda:REGION:ACCOUNT:code-signing-config:csc-…), not of a signing profile."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the environment variables. Null uses the AWS managed key of Lambda."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias, or null."
  }
}

variable "role" {
  description = "The function's role: its `path`, and the ARN of a permissions boundary (`permissions_boundary_arn`). `role_name` is its name."
  type = object({
    path                     = optional(string, "/")
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)*$", var.role.path))
    error_message = "role.path must begin and end with a slash, for example \"/teams/books/\"."
  }

  validation {
    condition     = var.role.permissions_boundary_arn == null ? true : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/", var.role.permissions_boundary_arn))
    error_message = "role.permissions_boundary_arn must be the ARN of a managed policy: arn:PARTITION:iam::ACCOUNT:policy/NAME."
  }
}
