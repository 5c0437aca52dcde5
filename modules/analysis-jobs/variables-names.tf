variable "name" {
  description = "Prefix of all names, unless `names` says otherwise: the functions `<name>-api`, `<name>-worker`, `<name>-sweeper` and `<name>-events`, the queue and the table `<name>-jobs`, the bucket `<name>-artifacts-<account>-<region>`. Choose a prefix with which none of them exists in the account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,48}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 50 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "names" {
  description = <<-EOT
    Names that replace the ones made from `name`. `alarms` is the prefix of the alarms, their topic and their key.
    `functions` and `roles` are by `api`, `events`, `sweeper` and `worker`. `queues` and `dead_letter_queues` are by lane,
    without ".fifo". The log group of a function has its name. [Names](../../docs/import/names.md) lists the defaults.
  EOT
  type = object({
    alarms                  = optional(string)
    api                     = optional(string)
    audit_log               = optional(string)
    bucket                  = optional(string)
    canary_queue            = optional(string)
    dashboard               = optional(string)
    dead_letter_queues      = optional(map(string), {})
    event_dead_letter_queue = optional(string)
    functions = optional(object({
      api     = optional(string)
      events  = optional(string)
      sweeper = optional(string)
      worker  = optional(string)
    }), {})
    notice_topic = optional(string)
    prompt_table = optional(string)
    queues       = optional(map(string), {})
    roles = optional(object({
      api     = optional(string)
      events  = optional(string)
      sweeper = optional(string)
      worker  = optional(string)
    }), {})
    sweep_rule = optional(string)
    table      = optional(string)
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for name in values(var.names.functions) : name == null ? true : can(regex("^[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "names.functions must have 1 to 64 letters, digits, hyphens and underscores each, as Lambda demands."
  }

  validation {
    condition     = alltrue([for name in values(var.names.roles) : name == null ? true : can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", name))])
    error_message = "names.roles must have 1 to 64 letters, digits and the characters _ + = , . @ - each, as IAM demands."
  }

  validation {
    condition     = length(setsubtract(concat(keys(var.names.queues), keys(var.names.dead_letter_queues)), ["high", "medium", "low"])) == 0
    error_message = "names.queues and names.dead_letter_queues are by lane: high, medium and low."
  }

  validation {
    condition = alltrue([
      for name in concat(values(var.names.queues), values(var.names.dead_letter_queues), var.names.event_dead_letter_queue[*], var.names.canary_queue[*]) : can(regex("^[A-Za-z0-9_-]{1,71}$", name))
    ])
    error_message = "names.queues, dead_letter_queues, canary_queue and event_dead_letter_queue must have 1 to 71 letters, digits, hyphens and underscores each: \"-dlq.fifo\" must fit within the 80 characters of SQS. The module adds \".fifo\" itself."
  }

  validation {
    condition     = alltrue([for name in concat(var.names.table[*], var.names.prompt_table[*]) : can(regex("^[A-Za-z0-9_.-]{3,255}$", name))])
    error_message = "names.table and names.prompt_table must have 3 to 255 letters, digits, hyphens, underscores and dots, as DynamoDB demands."
  }

  validation {
    condition     = var.names.bucket == null ? true : can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.names.bucket))
    error_message = "names.bucket must have 3 to 63 lower-case letters, digits and hyphens, and no hyphen at either end."
  }

  validation {
    condition     = alltrue([for name in concat(var.names.api[*], var.names.alarms[*], var.names.dashboard[*]) : can(regex("^[A-Za-z0-9_-]{1,128}$", name))])
    error_message = "names.api, names.alarms and names.dashboard must have 1 to 128 letters, digits, hyphens and underscores each."
  }

  validation {
    condition     = var.names.audit_log == null ? true : can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.names.audit_log)) && !startswith(var.names.audit_log, "aws/")
    error_message = "names.audit_log must have 1 to 512 letters, digits and the characters _ / . # -, and not begin with \"aws/\", as CloudWatch Logs demands."
  }

  validation {
    condition     = var.names.notice_topic == null ? true : can(regex("^[A-Za-z0-9_-]{1,256}$", var.names.notice_topic))
    error_message = "names.notice_topic must have 1 to 256 letters, digits, hyphens and underscores, as SNS demands."
  }

  validation {
    condition     = var.names.sweep_rule == null ? true : can(regex("^[A-Za-z0-9_.-]{1,64}$", var.names.sweep_rule))
    error_message = "names.sweep_rule must have 1 to 64 letters, digits, hyphens, underscores and dots, as EventBridge demands."
  }
}
