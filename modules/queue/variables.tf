variable "dead_letter_retention_s" {
  description = "How long the dead letter queue keeps a message, in seconds, counted from its FIRST send: it must be longer than `retention_s`, or a message that waited long is gone soon after it was moved."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.dead_letter_retention_s <= 1209600 && floor(var.dead_letter_retention_s) == var.dead_letter_retention_s
    error_message = "SQS keeps messages for 1209600 whole seconds (14 days) at most: set dead_letter_retention_s to no more."
  }

  validation {
    condition     = var.dead_letter_retention_s > var.retention_s
    error_message = "A message keeps its age when it moves to the dead letter queue: set dead_letter_retention_s above retention_s (${var.retention_s}), or lower retention_s."
  }
}

variable "fifo" {
  description = "Makes both queues FIFO. `name` must then end in \".fifo\"."
  type        = bool
  default     = false
  nullable    = false
}

variable "function_timeout_s" {
  description = "Time-out of the function that reads the queue, in seconds. Lambda refuses an event source mapping whose queue hides messages for less."
  type        = number
  nullable    = false

  validation {
    condition     = var.function_timeout_s >= 1 && var.function_timeout_s <= 900 && floor(var.function_timeout_s) == var.function_timeout_s
    error_message = "A Lambda function runs for 1 to 900 whole seconds: set function_timeout_s to the function's own timeout."
  }
}

variable "kms_key_id" {
  description = "ID, alias or ARN of the KMS key that encrypts both queues; null leaves encryption to SQS's own key. Whoever sends or receives then needs kms:GenerateDataKey and kms:Decrypt on it."
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
  description = "Name of the queue; of a FIFO queue with its \".fifo\". The dead letter queue is called after it: \"jobs\" and \"jobs-dlq\", \"jobs.fifo\" and \"jobs-dlq.fifo\"."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,76}$", trimsuffix(var.name, ".fifo")))
    error_message = "A queue's name has letters, digits, - and _ only, and must leave room for \"-dlq\" within 80 characters: shorten or correct name."
  }

  validation {
    condition     = !endswith(var.name, ".fifo") || length(var.name) <= 76
    error_message = "\"-dlq\" must fit before \".fifo\" within 80 characters: shorten name to 76 characters, \".fifo\" included."
  }

  validation {
    condition     = !var.fifo || endswith(var.name, ".fifo")
    error_message = "A FIFO queue's name must end in \".fifo\": set name to \"${var.name}.fifo\", or fifo to false."
  }

  validation {
    condition     = var.fifo || !endswith(var.name, ".fifo")
    error_message = "Only a FIFO queue's name may end in \".fifo\": set fifo to true, or name to \"${trimsuffix(var.name, ".fifo")}\"."
  }
}

variable "receive_wait_s" {
  description = "How long a receive waits for a message, in seconds (long polling)."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.receive_wait_s >= 0 && var.receive_wait_s <= 20 && floor(var.receive_wait_s) == var.receive_wait_s
    error_message = "SQS waits for 0 to 20 whole seconds: set receive_wait_s in that range; 20 costs the fewest requests."
  }
}

variable "retention_s" {
  description = "How long the queue keeps a message, in seconds (4 days unless set)."
  type        = number
  default     = 345600
  nullable    = false

  validation {
    condition     = var.retention_s >= 60 && floor(var.retention_s) == var.retention_s
    error_message = "SQS keeps messages for 60 whole seconds at least: set retention_s to no less, and below dead_letter_retention_s."
  }
}

variable "tags" {
  description = "Tags of both queues."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "visibility_timeout_s" {
  description = "How long a received message stays hidden, in seconds; null makes it `function_timeout_s` + 60."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout_s == null ? true : var.visibility_timeout_s <= 43200 && floor(var.visibility_timeout_s) == var.visibility_timeout_s
    error_message = "SQS hides a message for 43200 whole seconds (12 hours) at most: set visibility_timeout_s to no more, or leave it null."
  }

  validation {
    condition     = var.visibility_timeout_s == null ? true : var.visibility_timeout_s >= var.function_timeout_s
    error_message = "A message must stay hidden while the function works on it: set visibility_timeout_s to at least function_timeout_s (${var.function_timeout_s}), or leave it null."
  }
}
