variable "architecture" {
  description = "Processor architecture that the package was built for: \"arm64\" or \"x86_64\"."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be \"arm64\" or \"x86_64\": the one that the package was built for."
  }
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", key))])
    error_message = "Each key of environment must begin with a letter, contain only letters, digits and underscores, and have at least two characters."
  }

  validation {
    condition = length(setintersection(keys(var.environment), [
      "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
      "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
      "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
      "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    ])) == 0
    error_message = "environment must not contain AWS_REGION, credentials, or AWS_LAMBDA_ and LAMBDA_ variables: Lambda sets them itself."
  }
}

variable "handler" {
  description = "Python entry point in the package, as \"module.function\"."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*([./][A-Za-z_][A-Za-z0-9_]*)*\\.[A-Za-z_][A-Za-z0-9_]*$", var.handler))
    error_message = "handler must be \"module.function\", for example \"worker.handler\"."
  }
}

variable "log_level" {
  description = "Lowest level of the function's log lines that is kept: TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.log_level)
    error_message = "log_level must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  }
}

variable "log_retention_days" {
  description = "Retention of the log, in days. 0 keeps it forever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = contains(
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days must be a retention that CloudWatch Logs supports: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days, or 0 for forever."
  }
}

variable "memory_mb" {
  description = "Memory in MB. CPU time grows with it: 1769 MB give one vCPU."
  type        = number
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240, the range of Lambda."
  }
}

variable "name" {
  description = "Name of the function. The log group has the same name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must have 1 to 64 letters, digits, hyphens and underscores, as Lambda demands."
  }
}

variable "package" {
  description = "The built zip: its `path` and `sha256_base64`, as its manifest has them. A plan fails if the file is missing or has another hash. `s3` is where the same file was uploaded to, which a zip over 50 MB needs; without it Terraform sends the file. Without `path`, S3 alone has the file, and `s3.object_version` pins it."
  type = object({
    path          = optional(string)
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package.sha256_base64))
    error_message = "package.sha256_base64 must be a SHA-256 in base64, 44 characters: take sha256_base64 of the manifest, not the hexadecimal sha256."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 must have the name of a bucket and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
  }

  validation {
    # A plan cannot compare the hash of a file that is in S3 only.
    condition     = var.package.path != null || try(var.package.s3.object_version, null) != null
    error_message = "package needs path, or s3 with an object_version: without the file, only the version says which bytes are deployed."
  }
}

variable "recursive_loop" {
  description = "What Lambda does with a chain of invocations that returns to this function through SQS, SNS, S3 or Lambda: \"Terminate\" stops it after about 16 invocations, \"Allow\" does not. Allow it only for a function that bounds its own chains."
  type        = string
  default     = "Terminate"
  nullable    = false

  validation {
    condition     = contains(["Allow", "Terminate"], var.recursive_loop)
    error_message = "recursive_loop must be \"Allow\" or \"Terminate\"."
  }
}

variable "reserved_concurrency" {
  description = "Reserved concurrency: the maximum of concurrent executions, taken from the account's limit. 0 stops the function, null reserves nothing."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 0 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency must be a whole number of 0 or more, or null."
  }
}

variable "role_name" {
  description = "Name of the function's role. Null means `<name>-<region>`, which allows the same function in two Regions: roles are global in an account."
  type        = string
  default     = null

  validation {
    condition     = var.role_name == null ? true : can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role_name))
    error_message = "role_name must have 1 to 64 letters, digits and the characters _ + = , . @ -, as IAM demands."
  }
}

variable "statements" {
  description = "IAM statements of the function's role, by a name in snake_case that becomes the Sid. The names must be known at plan time. The role also allows writing to the function's own log and, in a VPC, lets Lambda manage its network interfaces."
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
    error_message = "Each key of statements must be in snake_case, for example \"queue_send\": it becomes the Sid."
  }

  validation {
    condition     = alltrue([for statement in var.statements : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "Each of statements must have at least one action and one resource."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.statements : [for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+\\*?$", action))]]))
    error_message = "Each action of statements must be named as \"service:Action\". \"*\" and \"service:*\" are refused."
  }
}

variable "tags" {
  description = "Tags of the function, its role and its log group."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout_s" {
  description = "Timeout of an invocation, in seconds."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900 && floor(var.timeout_s) == var.timeout_s
    error_message = "timeout_s must be a whole number from 1 to 900, the range of Lambda."
  }
}

variable "vpc" {
  description = "Subnets and security groups of the function; null runs it outside a VPC. The subnets need a route to the services that it calls."
  type = object({
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.security_group_ids) > 0 && length(var.vpc.subnet_ids) > 0
    error_message = "vpc must have at least one of subnet_ids and one of security_group_ids, or be null."
  }
}
