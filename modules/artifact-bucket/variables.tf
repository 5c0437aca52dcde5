variable "cors" {
  description = "Which web pages may use presigned requests from a browser: origins (\"https://app.example.com\"), methods and headers, and for how many seconds a browser may remember the answer. No origin, no CORS."
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
    error_message = "An origin is scheme, host and port as a browser sends them, with one * at most and no slash at the end: write cors.allowed_origins like \"https://app.example.com\"."
  }

  validation {
    condition     = length(var.cors.allowed_methods) > 0 && length(setsubtract(var.cors.allowed_methods, ["GET", "HEAD", "POST", "PUT"])) == 0
    error_message = "Presigned requests use POST, PUT, GET and HEAD: set cors.allowed_methods to some of these."
  }

  validation {
    condition     = var.cors.max_age_s >= 0 && floor(var.cors.max_age_s) == var.cors.max_age_s
    error_message = "A browser remembers an answer for whole seconds: set cors.max_age_s to 0 or more."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket also deletes what is in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the objects; null takes S3's own key. Whoever reads or writes then needs kms:Decrypt and kms:GenerateDataKey on it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "A bucket key is found by its ARN only: set kms_key_arn to arn:PARTITION:kms:REGION:ACCOUNT:key/ID, or leave it null."
  }
}

variable "lifecycle_rules" {
  description = "What ends when, by prefix (\"uploads/\"): days until an object expires (null: never), and days that a replaced, deleted or expired one can still be restored."
  type = map(object({
    expire_after_days     = optional(number)
    noncurrent_after_days = optional(number, 30)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for prefix in keys(var.lifecycle_rules) : can(regex("^[^/].*/$", prefix))])
    error_message = "A prefix is a folder of the bucket: end each key of lifecycle_rules with a slash and begin it without one, as in \"uploads/\"."
  }

  validation {
    condition = alltrue([for rule in var.lifecycle_rules :
      rule.expire_after_days == null ? true : rule.expire_after_days >= 1 && floor(rule.expire_after_days) == rule.expire_after_days
    ])
    error_message = "S3 counts whole days from 1: set expire_after_days to at least 1, or to null to keep objects."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.noncurrent_after_days >= 1 && floor(rule.noncurrent_after_days) == rule.noncurrent_after_days])
    error_message = "S3 counts whole days from 1: set noncurrent_after_days to at least 1."
  }
}

variable "name" {
  description = "Name of the bucket, unique in the whole partition."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens, and no hyphen at its ends (a dot would break TLS): shorten or correct name."
  }
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
