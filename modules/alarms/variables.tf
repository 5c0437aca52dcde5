variable "api" {
  description = <<-EOT
    The HTTP API, by its `id`. Its 5xx responses are watched. With `access_log`, the name of the log group of its access
    log, refused requests are watched too: the API refuses a bad token itself, so no function sees it. Null if there is
    no API.
  EOT
  type = object({
    access_log = optional(string)
    id         = string
  })
  default = null
}

variable "dashboard_name" {
  description = "Name of the dashboard. Null means `<name>-jobs-<region>`: dashboards are global in an account."
  type        = string
  default     = null

  validation {
    condition     = var.dashboard_name == null ? true : can(regex("^[A-Za-z0-9_-]{1,255}$", var.dashboard_name))
    error_message = "dashboard_name must be 1 to 255 letters, digits, hyphens or underscores."
  }
}

variable "dead_letter_queues" {
  description = "Names of the dead-letter queues by lane. The keys must be known at plan time."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.dead_letter_queues) > 0
    error_message = "dead_letter_queues must have at least one queue: without it no alarm reports failed messages."
  }

  validation {
    condition     = toset(keys(var.dead_letter_queues)) == toset(keys(var.queues))
    error_message = "dead_letter_queues must have the same keys as queues: each lane has both."
  }
}

variable "email" {
  description = "E-mail addresses that receive every alarm and its end. Each must first confirm an e-mail from AWS."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for address in var.email : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "Each of email must be a plain address, for example \"ops@example.com\"."
  }

  validation {
    condition     = length(distinct(var.email)) == length(var.email)
    error_message = "email has an address twice: remove one."
  }
}

variable "encryption" {
  description = "A KMS key of your own for the topic. Its policy must let cloudwatch.amazonaws.com use it. Null makes a key."
  type        = object({ key_arn = string })
  default     = null
}

variable "events" {
  description = "Name of the function that publishes events, and of the queue for events that it could not publish. Null if events are disabled."
  type = object({
    dead_letter_queue = string
    function_name     = string
  })
  default = null
}

variable "log_groups" {
  description = "Names of the log groups of the functions by function: `api`, `events`, `sweeper`, `worker`; and of the audit trail (`audit`), if it has its own. With them there are saved queries for CloudWatch Logs Insights. Queries cost what they scan; saving them is free."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = length(var.log_groups) == 0 || contains(keys(var.log_groups), "worker")
    error_message = "log_groups must name the log group of the worker: most queries read it."
  }
}

variable "name" {
  description = "Prefix of the names of the alarms, the topic, the key and, by default, the dashboard."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,200}$", var.name))
    error_message = "name must be 1 to 200 letters, digits, hyphens or underscores."
  }
}

variable "queues" {
  description = "Names of the queues by lane, with the same keys as `dead_letter_queues`."
  type        = map(string)
  nullable    = false
}

variable "service" {
  description = "Namespace of the functions' own metrics (`namespace`), and the value of their dimension `service` (`name`)."
  type = object({
    name      = string
    namespace = optional(string, "AnalysisJobs")
  })
  nullable = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "thresholds" {
  description = <<-EOT
    Thresholds of the alarms. An alarm fires above its threshold. Counts are sums over 5 minutes, except the depth.
    `api_5xx`: 5xx responses of the API. `api_refused`: responses 401 and 403. `cost_usd_per_day` and
    `cost_usd_per_hour`: what the model calls of all jobs cost, null without an alarm. `database_logins_refused`: attempts
    whose login the database refused, null without an alarm. `dead_letter_age_s`: age of the oldest message in a dead-letter queue.
    `dead_letter_depth`: messages in a dead-letter queue. `events_late_s`: age of the oldest unpublished event.
    `jobs_failed`: jobs that ended as failed. `jobs_not_sent`: accepted jobs whose message could not be sent.
    `oldest_message_age_s`: age of the oldest unfinished message, by default 15 minutes, the longest delay of a message,
    and the worker's timeout; a message stays in its queue while its job runs. `sweep_errors`: rows that a sweep could not
    handle. `sweeper_silent_min`: minutes without a sweep. `worker_errors`: invocations that crashed or timed out.
    `worker_throttles`: invocations that Lambda throttled. `worker_time_left_s`: the alarm fires if less than this was left
    of the timeout when an invocation ended, and at most two thirds of the time in which a worker hands its jobs over.
  EOT
  type = object({
    api_5xx                 = optional(number, 5)
    api_refused             = optional(number, 50)
    cost_usd_per_day        = optional(number)
    cost_usd_per_hour       = optional(number)
    database_logins_refused = optional(number)
    dead_letter_age_s       = optional(number, 3600)
    dead_letter_depth       = optional(number, 5)
    events_late_s           = optional(number, 900)
    jobs_failed             = optional(number, 10)
    jobs_not_sent           = optional(number, 5)
    oldest_message_age_s    = optional(number)
    sweep_errors            = optional(number, 3)
    sweeper_silent_min      = optional(number, 5)
    worker_errors           = optional(number, 0)
    worker_throttles        = optional(number, 0)
    worker_time_left_s      = optional(number, 5)
  })
  nullable = false
  default  = {}

  validation {
    condition = alltrue([
      for count in [
        var.thresholds.api_5xx, var.thresholds.api_refused, var.thresholds.dead_letter_depth, var.thresholds.jobs_failed, var.thresholds.jobs_not_sent,
        var.thresholds.sweep_errors, var.thresholds.worker_errors, var.thresholds.worker_throttles,
        coalesce(var.thresholds.database_logins_refused, 0),
      ] : count >= 0
    ])
    error_message = "thresholds.api_5xx, api_refused, database_logins_refused, dead_letter_depth, jobs_failed, jobs_not_sent, sweep_errors, worker_errors and worker_throttles must be at least 0: below 0 an alarm never ends."
  }

  validation {
    condition     = alltrue([for usd in [var.thresholds.cost_usd_per_day, var.thresholds.cost_usd_per_hour] : usd == null ? true : usd > 0])
    error_message = "thresholds.cost_usd_per_day and cost_usd_per_hour must be above 0 USD, or null for no alarm."
  }

  validation {
    # CloudWatch evaluates at most one day, here in periods of one minute.
    condition     = var.thresholds.sweeper_silent_min >= 2 && var.thresholds.sweeper_silent_min <= 1440 && floor(var.thresholds.sweeper_silent_min) == var.thresholds.sweeper_silent_min
    error_message = "thresholds.sweeper_silent_min must be a whole number from 2 to 1440. With 1 a sweep that is slightly late would raise the alarm."
  }

  validation {
    # The `stop_margin_s` of the library: a worker hands its jobs over that long before its timeout, and then needs seconds.
    condition     = var.thresholds.worker_time_left_s > 0 && var.thresholds.worker_time_left_s <= 10
    error_message = "thresholds.worker_time_left_s must be above 0 and at most 10. A worker hands its jobs over 15 s before its timeout, so with more the alarm would fire for healthy hand-overs."
  }

  validation {
    # The message of a job stays in the queue while the job runs.
    condition     = coalesce(var.thresholds.oldest_message_age_s, var.worker.timeout_s) >= var.worker.timeout_s
    error_message = "thresholds.oldest_message_age_s must be at least worker.timeout_s (${var.worker.timeout_s}): below it a healthy long job raises the alarm. Raise it, or leave it out for the timeout and 15 minutes."
  }

  validation {
    # The stream keeps records for 24 hours, and the mapping discards them after 22.
    condition     = var.thresholds.events_late_s >= 60 && var.thresholds.events_late_s < 79200
    error_message = "thresholds.events_late_s must be at least 60 and below 79200 (22 hours), the age at which events are discarded."
  }

  validation {
    # SQS reports the metric once a minute, for up to six hours after the last use of the queue.
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
    condition     = var.thresholds.dead_letter_age_s >= 60 && var.thresholds.dead_letter_age_s <= 18000
    error_message = "thresholds.dead_letter_age_s must be from 60 to 18000 (5 hours): SQS reports the age once a minute, and stops six hours after the last use of the queue, so a later alarm might never fire."
  }
}

variable "topics" {
  description = "ARNs of existing topics by severity, instead of a topic of the module's own. Their policies must let cloudwatch.amazonaws.com publish, and their keys must not be the AWS managed key of SNS."
  type = object({
    critical = list(string)
    warning  = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.topics == null ? true : length(var.topics.critical) > 0
    error_message = "topics.critical must have at least one topic: otherwise nobody learns that jobs fail."
  }

  validation {
    condition     = var.topics == null || length(var.email) == 0
    error_message = "topics are instead of the module's own topic, which email subscribes to: subscribe the addresses to your topics."
  }
}

variable "worker" {
  description = "Name of the worker function, its timeout in seconds, and how long before it the worker hands its jobs over (`stop_margin_s`, the library's STOP_MARGIN_S): at most a quarter of the timeout."
  type = object({
    function_name = string
    stop_margin_s = optional(number, 15)
    timeout_s     = number
  })
  nullable = false

  validation {
    condition     = var.worker.stop_margin_s >= 0
    error_message = "worker.stop_margin_s must be at least 0."
  }
}
