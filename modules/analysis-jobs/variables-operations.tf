variable "alarms" {
  description = "Alarms: the addresses that receive them (`email`), and their thresholds (`thresholds`, described with their defaults in the alarms module). `topics` has ARNs of topics of your own, by severity, instead of one of the module's own: `critical` for what needs somebody now, `warning` for what can wait. Each alarm costs about 0.10 USD a month. The alarms of cost exist only with a threshold in USD, and that of refused database logins only with a threshold or with `worker.secrets`. With `enabled = false` there are no alarms, no topic and no dashboard."
  type = object({
    enabled = optional(bool, true)
    email   = optional(list(string), [])
    thresholds = optional(object({
      api_5xx                 = optional(number)
      api_refused             = optional(number)
      cost_usd_per_day        = optional(number)
      cost_usd_per_hour       = optional(number)
      database_logins_refused = optional(number)
      dead_letter_age_s       = optional(number)
      dead_letter_depth       = optional(number)
      events_late_s           = optional(number)
      jobs_failed             = optional(number)
      jobs_not_sent           = optional(number)
      oldest_message_age_s    = optional(number)
      sweep_errors            = optional(number)
      sweeper_silent_min      = optional(number)
      worker_errors           = optional(number)
      worker_throttles        = optional(number)
      worker_time_left_s      = optional(number)
    }), {})
    topics = optional(object({
      critical = list(string)
      warning  = optional(list(string), [])
    }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.alarms.topics == null ? true : length(var.alarms.topics.critical) > 0
    error_message = "alarms.topics.critical must have at least one topic: otherwise nobody learns that jobs fail. warning may be empty."
  }

  validation {
    condition     = var.alarms.topics == null ? true : alltrue([for arn in concat(var.alarms.topics.critical, var.alarms.topics.warning) : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "alarms.topics must have ARNs of SNS topics that are not FIFO: CloudWatch notifies no others."
  }

  validation {
    condition     = var.alarms.topics == null || length(var.alarms.email) == 0
    error_message = "alarms.email is for the module's own topic: subscribe the addresses to your own topics, or leave alarms.topics out."
  }
}

variable "canary" {
  description = <<-EOT
    The lane of canaries, which are jobs that `analysis-jobs deploy` runs on new code before callers reach it. At most
    `maximum_concurrency` of them run at a time, 2 to 1000. With `enabled = false` there is no such lane, and a deployment
    only tests whether each function starts. An idle lane costs about 0.26 USD a month: Lambda polls its queue.
  EOT
  type = object({
    enabled             = optional(bool, true)
    maximum_concurrency = optional(number, 2)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.canary.maximum_concurrency >= 2 && var.canary.maximum_concurrency <= 1000 && floor(var.canary.maximum_concurrency) == var.canary.maximum_concurrency
    error_message = "canary.maximum_concurrency must be a whole number from 2 to 1000, the range of Lambda."
  }
}

variable "events" {
  description = <<-EOT
    Events for other systems. Every transition of a job is an event on the EventBridge bus `bus_name`, which must exist.
    Add rules for the events that you need. With `sns` there is also a topic for ended jobs, or `topic` names an
    existing one. Events are enabled by
    default and cost about one cent per thousand jobs.
  EOT
  type = object({
    bus_name = optional(string, "default")
    enabled  = optional(bool, true)
    sns      = optional(bool, false)
    topic    = optional(object({ arn = string }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,256}$", var.events.bus_name))
    error_message = "events.bus_name must be the name of a bus in this account and Region, not an ARN. To reach another bus, add a rule that forwards the events."
  }

  validation {
    condition     = var.events.enabled || !var.events.sns
    error_message = "events.sns needs events.enabled: the same function publishes to the topic and to the bus."
  }

  validation {
    condition     = var.events.topic == null ? true : var.events.enabled && !var.events.sns
    error_message = "events.topic is instead of events.sns, and needs events.enabled: remove one of them."
  }

  validation {
    condition     = var.events.topic == null ? true : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.events.topic.arn))
    error_message = "events.topic.arn must be the ARN of an SNS topic that is not FIFO: notices have no group."
  }
}
