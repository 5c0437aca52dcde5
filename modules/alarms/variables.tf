variable "api_id" {
  description = "ID of the HTTP API whose 5xx answers are watched."
  type        = string
  nullable    = false
}

variable "dead_letter_queues" {
  description = "Names of the dead-letter queues by a key that is known at plan time (the lane)."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.dead_letter_queues) > 0
    error_message = "dead_letter_queues needs at least one queue: without one nobody hears of the jobs that were given up."
  }

  validation {
    condition     = toset(keys(var.dead_letter_queues)) == toset(keys(var.queues))
    error_message = "dead_letter_queues and queues must have the same keys: each lane is watched on both sides."
  }
}

variable "email" {
  description = "Addresses that are told of every alarm and of its end; each must confirm a mail from AWS first."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for address in var.email : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "email takes plain addresses such as \"ops@example.com\"."
  }

  validation {
    condition     = length(distinct(var.email)) == length(var.email)
    error_message = "email names an address twice; take one of them out."
  }
}

variable "events" {
  description = "The function that publishes events, and the queue of what it gave up; null where there is none."
  type = object({
    dead_letter_queue = string
    function_name     = string
  })
  default = null
}

variable "name" {
  description = "Prefix of every alarm, and of topic, key and dashboard."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,200}$", var.name))
    error_message = "name must be 1 to 200 letters, digits, hyphens or underscores."
  }
}

variable "queues" {
  description = "Names of the work queues by the same keys as `dead_letter_queues`."
  type        = map(string)
  nullable    = false
}

variable "service" {
  description = "Where the functions' own metrics are: `namespace`, and `name`, the value of their dimension `service`."
  type = object({
    name      = string
    namespace = optional(string, "AnalysisJobs")
  })
  nullable = false
}

variable "tags" {
  description = "Tags for everything made here."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "thresholds" {
  description = <<-EOT
    When to call somebody. Counts are "more than", over 5 minutes where they are of events.
    `dead_letter_depth`: messages in a dead-letter queue. `dead_letter_age_s`: how long even a single one may lie there.
    `oldest_message_age_s`: a message unfinished for so long; unset, twice the worker's timeout, because a message
    stays in its queue while its job runs. `events_late_s`: age of an event on its way out. `worker_errors`: runs that crashed or timed out. `worker_throttles`: runs
    refused for want of concurrency. `jobs_failed`: jobs that ended as failed. `jobs_not_sent`: accepted jobs whose
    message could not be sent. `sweep_errors`: rows that a sweep could not handle. `worker_duration_percent`: longest run, in percent of the timeout. `api_5xx`: answers.
    `sweeper_silent_min`: minutes without a sweep.
  EOT
  type = object({
    api_5xx                 = optional(number, 5)
    dead_letter_age_s       = optional(number, 3600)
    dead_letter_depth       = optional(number, 5)
    events_late_s           = optional(number, 900)
    jobs_failed             = optional(number, 10)
    jobs_not_sent           = optional(number, 5)
    oldest_message_age_s    = optional(number)
    sweep_errors            = optional(number, 3)
    sweeper_silent_min      = optional(number, 5)
    worker_duration_percent = optional(number, 90)
    worker_errors           = optional(number, 0)
    worker_throttles        = optional(number, 0)
  })
  nullable = false
  default  = {}

  validation {
    condition = alltrue([
      for count in [
        var.thresholds.api_5xx, var.thresholds.dead_letter_depth, var.thresholds.jobs_failed, var.thresholds.jobs_not_sent,
        var.thresholds.sweep_errors, var.thresholds.worker_errors, var.thresholds.worker_throttles,
      ] : count >= 0
    ])
    error_message = "thresholds.api_5xx, dead_letter_depth, jobs_failed, jobs_not_sent, sweep_errors, worker_errors and worker_throttles are counts from 0 on: below 0 an alarm never ends."
  }

  validation {
    # CloudWatch looks at one day at most: one-minute periods, as many as fit.
    condition     = var.thresholds.sweeper_silent_min >= 2 && var.thresholds.sweeper_silent_min <= 1440 && floor(var.thresholds.sweeper_silent_min) == var.thresholds.sweeper_silent_min
    error_message = "thresholds.sweeper_silent_min must be a whole number of minutes from 2 (a sweep a minute may be late by one) to 1440."
  }

  validation {
    condition     = var.thresholds.worker_duration_percent > 0 && var.thresholds.worker_duration_percent < 100
    error_message = "thresholds.worker_duration_percent must lie between 0 and 100: at 100 the run is already dead."
  }

  validation {
    # Below the timeout every long job would raise it: its message stays in the queue while it runs.
    condition     = coalesce(var.thresholds.oldest_message_age_s, var.worker.timeout_s) >= var.worker.timeout_s
    error_message = "thresholds.oldest_message_age_s is below the worker's timeout, so that a healthy long job raises the alarm; set it to worker.timeout_s at least, or leave it out for twice that."
  }

  validation {
    # Records are 24 hours old at most; Lambda gives them up two hours before that.
    condition     = var.thresholds.events_late_s >= 60 && var.thresholds.events_late_s < 79200
    error_message = "thresholds.events_late_s must be at least 60, and below 79200 (22 hours), when events are given up."
  }

  validation {
    condition     = var.thresholds.dead_letter_age_s >= 60
    error_message = "thresholds.dead_letter_age_s must be at least 60: the metric comes once a minute."
  }
}

variable "worker" {
  description = "The worker function: its name, and its timeout in seconds."
  type = object({
    function_name = string
    timeout_s     = number
  })
  nullable = false
}
