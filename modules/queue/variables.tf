variable "dead_letter_name" {
  description = "Name of the dead-letter queue, without \".fifo\". Null means the name of the queue with \"-dlq\"."
  type        = string
  default     = null

  validation {
    condition     = var.dead_letter_name == null ? true : can(regex("^[A-Za-z0-9_-]{1,75}$", var.dead_letter_name)) && var.dead_letter_name != trimsuffix(var.name, ".fifo")
    error_message = "dead_letter_name must have 1 to 75 letters, digits, hyphens and underscores, without \".fifo\", and not be the name of the queue."
  }
}

variable "dead_letter_retention_s" {
  description = "Retention of the dead-letter queue, in seconds. SQS counts it from the first send of a message, so it must be longer than `retention_s`."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.dead_letter_retention_s <= 1209600 && floor(var.dead_letter_retention_s) == var.dead_letter_retention_s
    error_message = "dead_letter_retention_s must be a whole number of at most 1209600 (14 days), the maximum of SQS."
  }

  validation {
    condition     = var.dead_letter_retention_s > var.retention_s
    error_message = "dead_letter_retention_s must be longer than retention_s (${var.retention_s}): a message keeps its age when it moves to the dead-letter queue. Raise it, or lower retention_s."
  }
}

variable "fifo" {
  description = "Whether both queues are FIFO queues. `name` must then end in \".fifo\"."
  type        = bool
  default     = false
  nullable    = false
}

variable "function_timeout_s" {
  description = "Timeout of the function that reads the queue, in seconds. Lambda refuses an event source mapping if the visibility timeout of the queue is shorter."
  type        = number
  nullable    = false

  validation {
    condition     = var.function_timeout_s >= 1 && var.function_timeout_s <= 900 && floor(var.function_timeout_s) == var.function_timeout_s
    error_message = "function_timeout_s must be a whole number from 1 to 900, the range of Lambda. Set it to the timeout of the function."
  }
}

variable "kms_key_id" {
  description = "ID, alias or ARN of the KMS key that encrypts both queues. Null uses the key of SQS. With a key of your own, senders and receivers need kms:GenerateDataKey and kms:Decrypt on it."
  type        = string
  default     = null
}

variable "max_receive_count" {
  description = "Number of receives after which SQS moves a message to the dead-letter queue, 1 to 1000. Null means 3 for a standard queue and 100 for a FIFO queue, where each wait of a job is a receive too."
  type        = number
  default     = null

  validation {
    condition     = var.max_receive_count == null ? true : var.max_receive_count >= 1 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "max_receive_count must be a whole number from 1 to 1000, the range that SQS accepts."
  }
}

variable "name" {
  description = "Name of the queue. The name of a FIFO queue ends in \".fifo\". The dead-letter queue of \"jobs\" is \"jobs-dlq\", and that of \"jobs.fifo\" is \"jobs-dlq.fifo\"."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,76}$", trimsuffix(var.name, ".fifo")))
    error_message = "name may contain letters, digits, hyphens and underscores, and at most 76 characters: \"-dlq\" must fit within the 80 characters of SQS."
  }

  validation {
    condition     = !endswith(var.name, ".fifo") || length(var.name) <= 76
    error_message = "name may have at most 76 characters, \".fifo\" included: \"-dlq\" must fit within the 80 characters of SQS."
  }

  validation {
    condition     = !var.fifo || endswith(var.name, ".fifo")
    error_message = "name must end in \".fifo\" because fifo is true: set it to \"${var.name}.fifo\", or set fifo to false."
  }

  validation {
    condition     = var.fifo || !endswith(var.name, ".fifo")
    error_message = "name must not end in \".fifo\" because fifo is false: set fifo to true, or name to \"${trimsuffix(var.name, ".fifo")}\"."
  }
}

variable "receive_wait_s" {
  description = "Long polling: how long a receive waits for a message, in seconds."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.receive_wait_s >= 0 && var.receive_wait_s <= 20 && floor(var.receive_wait_s) == var.receive_wait_s
    error_message = "receive_wait_s must be a whole number from 0 to 20, the range of SQS. 20 needs the fewest requests."
  }
}

variable "retention_s" {
  description = "Retention of the queue, in seconds. The default is 4 days."
  type        = number
  default     = 345600
  nullable    = false

  validation {
    condition     = var.retention_s >= 60 && floor(var.retention_s) == var.retention_s
    error_message = "retention_s must be a whole number of at least 60, the minimum of SQS, and shorter than dead_letter_retention_s."
  }
}

variable "tags" {
  description = "Tags of both queues."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "visibility_timeout_s" {
  description = "Visibility timeout of the queue, in seconds. Null means `function_timeout_s` + 60."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout_s == null ? true : var.visibility_timeout_s <= 43200 && floor(var.visibility_timeout_s) == var.visibility_timeout_s
    error_message = "visibility_timeout_s must be a whole number of at most 43200 (12 hours), the maximum of SQS, or null."
  }

  validation {
    condition     = var.visibility_timeout_s == null ? true : var.visibility_timeout_s >= var.function_timeout_s
    error_message = "visibility_timeout_s must be at least function_timeout_s (${var.function_timeout_s}), so that a message stays hidden while the function works on it. Raise it, or set it to null."
  }
}
