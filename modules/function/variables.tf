variable "architecture" {
  description = "Processor the package was built for: \"arm64\" or \"x86_64\"."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Lambda runs on arm64 and x86_64: set architecture to the one the package was built for."
  }
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", key))])
    error_message = "An environment variable's name begins with a letter and goes on with letters, digits and _ (two characters at least): rename the keys of environment."
  }

  validation {
    condition = length(setintersection(keys(var.environment), [
      "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
      "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
      "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
      "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    ])) == 0
    error_message = "Lambda sets AWS_REGION, the credentials and its AWS_LAMBDA_ and LAMBDA_ variables itself: take them out of environment."
  }
}

variable "handler" {
  description = "Python entry point in the package, \"module.function\"."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*([./][A-Za-z_][A-Za-z0-9_]*)*\\.[A-Za-z_][A-Za-z0-9_]*$", var.handler))
    error_message = "A handler is named as module.function: set handler to something like \"worker.handler\"."
  }
}

variable "log_level" {
  description = "Least level of the function's own log lines that is kept: TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.log_level)
    error_message = "Lambda knows the levels TRACE, DEBUG, INFO, WARN, ERROR and FATAL: set log_level to one of them."
  }
}

variable "log_retention_days" {
  description = "Days that the log is kept; 0 keeps it for ever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = contains(
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days, or for ever (0): set log_retention_days to one of these."
  }
}

variable "memory_mb" {
  description = "Memory in MB; processor time grows with it (one processor at 1769)."
  type        = number
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "Lambda gives 128 to 10240 whole MB: set memory_mb in that range."
  }
}

variable "name" {
  description = "Name of the function. Its log group and, with the Region, its role are called after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,48}$", var.name))
    error_message = "The role's name holds the function's and the Region's in 64 characters: give name 1 to 48 letters, digits, - and _."
  }
}

variable "package" {
  description = "The built zip: its `path` and `sha256_base64`, as its manifest has them. A plan fails if the file is missing or has another hash. `s3` is where the same file was uploaded to, which a zip over 50 MB needs; without it Terraform sends the file."
  type = object({
    path          = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package.sha256_base64))
    error_message = "A SHA-256 in base64 has 44 characters: set package.sha256_base64 to the manifest's sha256_base64 (not to the hexadecimal sha256)."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 takes a bucket's name and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
  }
}

variable "reserved_concurrency" {
  description = "How many copies may run at once, taken from the account's limit; 0 stops the function, null reserves nothing."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 0 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "Concurrency is a whole number of copies: set reserved_concurrency to 0 or more, or leave it null."
  }
}

variable "statements" {
  description = "What the function may do, by a static name in snake_case that becomes the statement's Sid. Beside this its role may only write to its own log and, in a VPC, lets Lambda manage its network interfaces."
  type = map(object({
    actions = list(string)
    conditions = optional(list(object({
      test     = string
      values   = list(string)
      variable = string
    })), [])
    resources = list(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.statements) : can(regex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", key))])
    error_message = "A statement's name becomes its Sid: write the keys of statements in snake_case, as in \"queue_send\"."
  }

  validation {
    condition     = alltrue([for statement in var.statements : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "A statement that allows nothing is a mistake: give each of statements at least one of actions and of resources, or take it out."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.statements : [for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+\\*?$", action))]]))
    error_message = "An action is named as service:Action: write them out in statements; \"*\" and \"service:*\" are not accepted."
  }
}

variable "tags" {
  description = "Tags of the function, its role and its log group."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout_s" {
  description = "Time after which Lambda kills an invocation, in seconds."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900 && floor(var.timeout_s) == var.timeout_s
    error_message = "A Lambda function runs for 1 to 900 whole seconds: set timeout_s in that range."
  }
}

variable "vpc" {
  description = "Subnets and security groups that the function runs in; null leaves it outside of any VPC. The subnets need a way to the services it calls."
  type = object({
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.security_group_ids) > 0 && length(var.vpc.subnet_ids) > 0
    error_message = "A function in a VPC needs both: give vpc.subnet_ids and vpc.security_group_ids at least one each, or leave vpc null."
  }
}
