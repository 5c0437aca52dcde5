variable "bucket" {
  description = <<-EOT
    An existing bucket for uploads and the files of jobs, in this account and Region, instead of one of the module's own.
    All keys begin with `prefix`, for example "analysis/". The module changes no setting of the bucket: the output
    `bucket_settings` says which lifecycle rules and CORS rule it should have. A versioned bucket is better: an upload
    that is replaced while a job waits is then still read as it was submitted.
  EOT
  type = object({
    name   = string
    prefix = optional(string, "")
  })
  default = null

  validation {
    condition     = var.bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be the name of a bucket, not its ARN or URL."
  }

  validation {
    # The keys are parts of IAM resources, where * and ? are wildcards.
    condition     = var.bucket == null ? true : can(regex("^([A-Za-z0-9!_.'()-]+/)*$", var.bucket.prefix))
    error_message = "bucket.prefix must end with a slash, not begin with one, and have no wildcard, for example \"analysis/\". \"\" is the whole bucket."
  }
}

variable "encryption" {
  description = <<-EOT
    A KMS key of your own for everything: queues, dead-letter queues, tables, bucket, logs, topics and environment
    variables. The module gives each role the rights to it, through the services only. The key's policy must let the
    account's IAM policies decide, and have the statements of the output `key_policy_json`. Pass the policy as
    `key_policy_json`, and a plan refuses a key that the logs or the alarms may not use.
  EOT
  type = object({
    key_arn         = string
    key_policy_json = optional(string)
  })
  default = null

  validation {
    condition     = var.encryption == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.encryption.key_arn))
    error_message = "encryption.key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID). IAM policies cannot use the ARN of an alias."
  }

  validation {
    condition     = try(var.encryption.key_policy_json, null) == null ? true : can(jsondecode(var.encryption.key_policy_json).Statement)
    error_message = "encryption.key_policy_json must be the policy of the key as JSON, for example aws_kms_key.this.policy."
  }
}

variable "role" {
  description = "The functions' roles: their `path`, a `name_prefix` that their names begin with (unless `names.roles` has them), and the ARN of a permissions boundary (`permissions_boundary_arn`). A change of path or prefix replaces the roles."
  type = object({
    name_prefix              = optional(string, "")
    path                     = optional(string, "/")
    permissions_boundary_arn = optional(string)
  })
  nullable = false
  default  = {}

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)*$", var.role.path))
    error_message = "role.path must begin and end with a slash, for example \"/teams/books/\"."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]*$", var.role.name_prefix))
    error_message = "role.name_prefix may contain letters, digits and +=,.@_- only: it begins the names of the roles. A path belongs to role.path."
  }

  validation {
    condition     = var.role.permissions_boundary_arn == null ? true : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/", var.role.permissions_boundary_arn))
    error_message = "role.permissions_boundary_arn must be the ARN of a managed policy: arn:PARTITION:iam::ACCOUNT:policy/NAME."
  }
}
