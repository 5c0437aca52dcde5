variable "alarms" {
  description = "Alarms: the addresses that receive them (`email`), and their thresholds (`thresholds`, described with their defaults in the alarms module). With `enabled = false` there are no alarms, no topic and no dashboard."
  type = object({
    enabled = optional(bool, true)
    email   = optional(list(string), [])
    thresholds = optional(object({
      api_5xx              = optional(number)
      dead_letter_age_s    = optional(number)
      dead_letter_depth    = optional(number)
      events_late_s        = optional(number)
      jobs_failed          = optional(number)
      jobs_not_sent        = optional(number)
      oldest_message_age_s = optional(number)
      sweep_errors         = optional(number)
      sweeper_silent_min   = optional(number)
      worker_errors        = optional(number)
      worker_throttles     = optional(number)
      worker_time_left_s   = optional(number)
    }), {})
  })
  nullable = false
  default  = {}
}

variable "events" {
  description = <<-EOT
    Events for other systems. Every transition of a job is an event on the EventBridge bus `bus_name`, which must exist.
    Add rules for the events that you need. With `sns` there is also a topic for ended jobs. Events are enabled by
    default and cost about one cent per thousand jobs.
  EOT
  type = object({
    bus_name = optional(string, "default")
    enabled  = optional(bool, true)
    sns      = optional(bool, false)
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
}
