variable "extra" {
  description = <<-EOT
    What the stack uses beyond its own names. Nothing of it is allowed unless it is listed. `code_signing_config_arns`,
    `domains` (custom domain names of the API), `hosted_zone_ids` (zones for their DNS records), `kms_key_arns` (the
    stack's own key, and keys of its secrets), `layer_arns`, `secret_arns` (secrets and parameters that a worker reads),
    `topic_arns` (topics for notices), `truststores` (ARNs of S3 objects for mutual TLS), and `vpc` if functions are in a
    VPC. `function_statements` are further rights of the functions, as in the module's `worker.statements`.
  EOT
  type = object({
    code_signing_config_arns = optional(list(string), [])
    domains                  = optional(list(string), [])
    function_statements      = optional(list(object({ actions = list(string), resources = list(string) })), [])
    hosted_zone_ids          = optional(list(string), [])
    kms_key_arns             = optional(list(string), [])
    layer_arns               = optional(list(string), [])
    secret_arns              = optional(list(string), [])
    topic_arns               = optional(list(string), [])
    truststores              = optional(list(string), [])
    vpc                      = optional(bool, false)
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for arn in var.extra.kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of extra.kms_key_arns must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID): IAM policies cannot use an alias."
  }

  validation {
    # Otherwise a function could do what the boundary is there to prevent.
    condition = alltrue(flatten([for statement in var.extra.function_statements : [
      for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+\\*?$", action)) && !contains(["iam", "organizations", "sts", "account"], split(":", action)[0])
    ]]))
    error_message = "Each action of extra.function_statements must be named as \"service:Action\", and not be one of iam, sts, organizations or account: with those a function could give itself any right."
  }

  validation {
    condition     = alltrue([for name in var.extra.domains : can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", name))])
    error_message = "Each of extra.domains must be a host name in lower case without a scheme, for example \"jobs.example.com\"."
  }

  validation {
    condition     = alltrue([for id in var.extra.hosted_zone_ids : can(regex("^[A-Z0-9]{1,32}$", id))])
    error_message = "Each of extra.hosted_zone_ids must be the ID of a hosted zone, for example \"Z0123456789ABCDEFGHIJ\"."
  }
}

variable "github" {
  description = <<-EOT
    The repository on GitHub that deploys, as "owner/name", and its `environment`. GitHub puts their numbers into the
    tokens of repositories that were created, renamed or moved since the summer of 2026: name such a repository as
    "owner@123/name@456". `oidc_provider_arn` is the account's provider for GitHub if it has one: an account can have one
    only. `plan_subjects` are the jobs besides those of the environment that may plan: "pull_request", or "ref:" with a
    branch, a tag, or the beginning of tags.
  EOT
  type = object({
    environment       = string
    oidc_provider_arn = optional(string)
    plan_subjects     = optional(list(string), ["pull_request", "ref:refs/heads/main", "ref:refs/tags/v*"])
    repository        = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github.repository)) || can(regex("^[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+$", var.github.repository))
    error_message = "github.repository must be \"owner/name\", or \"owner@123/name@456\" with both numbers, in the spelling of GitHub, without a wildcard."
  }

  validation {
    # GitHub encodes a colon in the subject. The other characters are refused because IAM or a path would read them otherwise.
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.github.environment))
    error_message = "github.environment must have 1 to 100 letters, digits, dots, hyphens and underscores, and begin with a letter or a digit."
  }

  validation {
    condition     = alltrue([for subject in var.github.plan_subjects : can(regex("^(pull_request|ref:refs/heads/[A-Za-z0-9._/-]+|ref:refs/tags/[A-Za-z0-9._/-]+\\*?)$", subject))])
    error_message = "Each of github.plan_subjects must be \"pull_request\", \"ref:refs/heads/BRANCH\", \"ref:refs/tags/TAG\" or the beginning of tags, such as \"ref:refs/tags/v*\"."
  }

  validation {
    condition     = var.github.oidc_provider_arn == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github.oidc_provider_arn))
    error_message = "github.oidc_provider_arn must be the ARN of the provider for GitHub Actions: arn:PARTITION:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com."
  }
}

variable "name" {
  description = "The `name` of the stack, with which the names of its resources begin. No other stack of the account may have a name that begins with it and a hyphen."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,48}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 50 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "name_prefixes" {
  description = "How other names of the stack begin, if its `names` or its bucket have others than the module gives them. A role may only be used with names that begin so."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for prefix in var.name_prefixes : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]{2,}$", prefix))])
    error_message = "Each of name_prefixes must have at least 3 letters, digits, hyphens, underscores and dots, without a wildcard: it is followed by any characters."
  }
}

variable "packages" {
  description = "The bucket for packages, which a zip over 50 MB needs: an existing one by its `bucket`, or with `create = true` a new one. Null if no package needs it."
  type = object({
    bucket = optional(string)
    create = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.packages == null ? true : var.packages.create || var.packages.bucket != null
    error_message = "packages needs the name of an existing bucket, or create = true."
  }

  validation {
    condition     = try(var.packages.bucket, null) == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.packages.bucket))
    error_message = "packages.bucket must be the name of a bucket, not its ARN or URL."
  }
}

variable "prompt_table" {
  description = "Name of the table of prompts, which a deployment writes to. Null is the name that the module gives it."
  type        = string
  default     = null

  validation {
    condition     = var.prompt_table == null ? true : can(regex("^[A-Za-z0-9_.-]{3,255}$", var.prompt_table))
    error_message = "prompt_table must have 3 to 255 letters, digits, hyphens, underscores and dots, as DynamoDB demands."
  }
}

variable "role" {
  description = "The `path` and the `name_prefix` of the functions' roles, if the stack's `role` sets them."
  type = object({
    name_prefix = optional(string, "")
    path        = optional(string, "/")
  })
  nullable = false
  default  = {}

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)*$", var.role.path)) && !startswith(var.role.path, "/analysis-jobs/")
    error_message = "role.path must begin and end with a slash, and not be below /analysis-jobs/, where the roles of this module are."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]*$", var.role.name_prefix))
    error_message = "role.name_prefix may contain letters, digits and +=,.@_- only."
  }
}

variable "state" {
  description = "The bucket of Terraform's state. `bucket` is its name, by default `tfstate-<name>-<account>-<region>`. `key` is the state of the stack. `kms_key_arn` encrypts the state with a key of your own. A replaced version of a state is kept for `noncurrent_days`."
  type = object({
    bucket          = optional(string)
    key             = optional(string)
    kms_key_arn     = optional(string)
    noncurrent_days = optional(number, 90)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.state.key == null ? true : can(regex("^[A-Za-z0-9!_.()-]+(/[A-Za-z0-9!_.()-]+)*$", var.state.key)) && !startswith(var.state.key, "bootstrap/")
    error_message = "state.key must be a key without a wildcard and without a slash at either end, and not be below bootstrap/: the state of this module is there, which the deploy role must not reach."
  }

  validation {
    condition     = var.state.bucket == null ? true : can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.state.bucket)) && !startswith(var.state.bucket, "${var.name}-")
    error_message = "state.bucket must have 3 to 63 lower-case letters, digits and hyphens, and not begin with the name of the stack: the deploy role may delete the buckets that do."
  }

  validation {
    condition     = var.state.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.state.kms_key_arn))
    error_message = "state.kms_key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias."
  }

  validation {
    condition     = var.state.noncurrent_days >= 1 && floor(var.state.noncurrent_days) == var.state.noncurrent_days
    error_message = "state.noncurrent_days must be a whole number of at least 1."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  nullable    = false
  default     = {}
}
