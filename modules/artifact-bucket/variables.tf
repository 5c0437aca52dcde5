variable "cors" {
  description = "CORS rule for presigned requests from web pages: `allowed_origins` such as \"https://app.example.com\", methods, headers, and how long a browser may cache the rule, in seconds (`max_age_s`). Without an origin there is no CORS rule."
  type = object({
    allowed_headers = optional(list(string), ["*"])
    allowed_methods = optional(list(string), ["POST"])
    allowed_origins = optional(list(string), [])
    expose_headers  = optional(list(string), ["ETag"])
    max_age_s       = optional(number, 3600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for origin in var.cors.allowed_origins : can(regex("^(\\*|https?://[^/*\\s]*\\*?[^/*\\s]*)$", origin))])
    error_message = "Each of cors.allowed_origins must be scheme, host and port without a trailing slash and with at most one *, for example \"https://app.example.com\"."
  }

  validation {
    condition     = length(var.cors.allowed_methods) > 0 && length(setsubtract(var.cors.allowed_methods, ["GET", "HEAD", "POST", "PUT"])) == 0
    error_message = "cors.allowed_methods must have at least one of GET, HEAD, POST and PUT, and no other."
  }

  validation {
    condition     = var.cors.max_age_s >= 0 && floor(var.cors.max_age_s) == var.cors.max_age_s
    error_message = "cors.max_age_s must be a whole number of 0 or more."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket also deletes its objects."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the objects. Null uses the key of S3. With a key of your own, readers and writers need kms:Decrypt and kms:GenerateDataKey on it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias, or null."
  }
}

variable "lifecycle_rules" {
  description = "Lifecycle rules by prefix, for example \"uploads/\"; \"\" is the whole bucket. `expire_after_days` is the age at which an object expires; null means never. `noncurrent_after_days` is how long a replaced, deleted or expired version can still be restored."
  type = map(object({
    expire_after_days     = optional(number)
    noncurrent_after_days = optional(number, 30)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for prefix in keys(var.lifecycle_rules) : can(regex("^([^/].*/)?$", prefix))])
    error_message = "Each key of lifecycle_rules must be a prefix that ends with a slash and does not begin with one, for example \"uploads/\", or \"\" for the whole bucket."
  }

  validation {
    condition = alltrue([for rule in var.lifecycle_rules :
      rule.expire_after_days == null ? true : rule.expire_after_days >= 1 && floor(rule.expire_after_days) == rule.expire_after_days
    ])
    error_message = "expire_after_days must be a whole number of at least 1, or null to keep the objects."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.noncurrent_after_days >= 1 && floor(rule.noncurrent_after_days) == rule.noncurrent_after_days])
    error_message = "noncurrent_after_days must be a whole number of at least 1."
  }
}

variable "name" {
  description = "Name of the bucket. It must be unique in the AWS partition."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 63 lower-case letters, digits and hyphens, and no hyphen at either end. Dots are refused because they break TLS."
  }
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
