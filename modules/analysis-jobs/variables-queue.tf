variable "lanes" {
  description = "Lanes by priority: `high`, `medium` and `low`, each with its own queue. `maximum_concurrency` limits the concurrent workers of a lane, 2 to 1000; without it only the function's limit counts. `tier` is the service tier of its model calls: `priority`, `default`, `flex` or `reserved`; models without that tier are called without it. `provisioned_pollers` reserves pollers for a lane, at least `minimum` and at most `maximum`: messages of a sudden load are received sooner, and Lambda bills each poller by the hour. It excludes `maximum_concurrency`. Adding or removing a lane does not change the queues of the others. To remove a lane, move it to `queue.retired`."
  type = map(object({
    maximum_concurrency = optional(number)
    provisioned_pollers = optional(object({ maximum = optional(number, 200), minimum = optional(number, 2) }))
    tier                = optional(string)
  }))
  nullable = false
  default  = { medium = {} }

  validation {
    condition     = length(var.lanes) > 0
    error_message = "lanes must have at least one lane, for example { medium = {} }."
  }

  validation {
    condition     = length(setsubtract(keys(var.lanes), ["high", "medium", "low"])) == 0
    error_message = "lanes must be high, medium or low: these are the priorities that a caller can name."
  }

  validation {
    condition = alltrue([
      for lane in var.lanes : lane.maximum_concurrency == null ? true : lane.maximum_concurrency >= 2 && lane.maximum_concurrency <= 1000 && floor(lane.maximum_concurrency) == lane.maximum_concurrency
    ])
    error_message = "maximum_concurrency of lanes must be a whole number from 2 to 1000, the range of Lambda. Leave it out for no limit. To run one job of a subject at a time, use queue.fifo."
  }

  validation {
    condition     = alltrue([for lane in var.lanes : lane.tier == null ? true : contains(["priority", "default", "flex", "reserved"], lane.tier)])
    error_message = "tier of lanes must be priority, default, flex or reserved: these are the service tiers of models."
  }

  validation {
    # The range of SQS, and of the provider: https://docs.aws.amazon.com/lambda/latest/api/API_ProvisionedPollerConfig.html
    condition = alltrue([for pollers in [for lane in var.lanes : lane.provisioned_pollers if lane.provisioned_pollers != null] :
      pollers.minimum >= 2 && pollers.minimum <= 200 && pollers.maximum >= pollers.minimum && pollers.maximum <= 2000
    ])
    error_message = "provisioned_pollers of lanes must have a minimum from 2 to 200, and a maximum from the minimum to 2000."
  }

  validation {
    condition     = alltrue([for lane in var.lanes : lane.provisioned_pollers == null || lane.maximum_concurrency == null])
    error_message = "A lane of lanes cannot have maximum_concurrency and provisioned_pollers, Lambda refuses both together: limit the concurrency with provisioned_pollers.maximum. Each poller runs up to 10 workers."
  }
}

variable "queue" {
  description = <<-EOT
    Settings of every lane's queue. `fifo` runs the jobs of one subject one after another, in submission order.
    `max_receive_count` is the number of receives after which a message moves to the dead-letter queue: 3 by default,
    100 with `fifo`, where a job waits on its own message and each wait is a receive. In seconds: `retention_s`
    (default 4 days), `dead_letter_retention_s` (14 days), `visibility_timeout_s` (worker.timeout_s + 60).
    `retired` lists queues that no lane uses any more, and whose messages the workers still handle: "high" is the standard
    queue of that lane, "high.fifo" its FIFO queue. With `deletion_protection`, only retired queues can be deleted, by
    removing them from this list.
  EOT
  type = object({
    dead_letter_retention_s = optional(number, 1209600)
    fifo                    = optional(bool, false)
    max_receive_count       = optional(number)
    retention_s             = optional(number, 345600)
    retired                 = optional(list(string), [])
    visibility_timeout_s    = optional(number)
  })
  nullable = false
  default  = {}

  validation {
    # Lambda refuses such an event source mapping.
    condition     = coalesce(var.queue.visibility_timeout_s, 43200) >= var.worker.timeout_s
    error_message = "queue.visibility_timeout_s must be at least worker.timeout_s (${var.worker.timeout_s}): raise it, or leave it out for ${var.worker.timeout_s + 60}. It does not delay the recovery from a crash, which takes one lease."
  }

  validation {
    # A job that is throttled a few times is healthy, but a low count would send its message to the dead-letter queue.
    # The sweeper then sends a new message, which is behind the later jobs of the subject: the order is lost.
    condition     = !var.queue.fifo || coalesce(var.queue.max_receive_count, 100) >= 10
    error_message = "queue.max_receive_count must be at least 10 with queue.fifo: on a FIFO queue each wait of a job is a receive, so a lower count moves healthy jobs to the dead-letter queue and loses their order. Raise it, or leave it out for the default of 100."
  }

  validation {
    # A job that waits would hide the other messages of its batch for the visibility timeout too.
    condition     = !var.queue.fifo || coalesce(var.worker.jobs_per_invocation, 1) == 1
    error_message = "queue.fifo needs worker.jobs_per_invocation = 1: in a batch, a job that waits would delay the jobs of other subjects."
  }

  validation {
    # Lambda refuses such an event source mapping.
    condition     = !var.queue.fifo || var.worker.batching_window_s == 0
    error_message = "queue.fifo needs worker.batching_window_s = 0: Lambda has no batching window for FIFO queues."
  }

  validation {
    condition     = alltrue([for key in var.queue.retired : can(regex("^(high|medium|low)(\\.fifo)?$", key))])
    error_message = "queue.retired must have lanes, \"high\" for the standard queue of a lane and \"high.fifo\" for its FIFO queue."
  }

  validation {
    condition     = length(setintersection(var.queue.retired, [for lane in keys(var.lanes) : "${lane}${var.queue.fifo ? ".fifo" : ""}"])) == 0
    error_message = "queue.retired has a queue that a lane still uses: remove the lane from lanes, or the entry from queue.retired."
  }

  validation {
    # In addition to the rule of worker.reserved_concurrency. A retired queue is drained by two workers.
    condition = length(var.queue.retired) == 0 || var.worker.reserved_concurrency == null ? true : (
      var.worker.reserved_concurrency >= sum([for lane in var.lanes : coalesce(lane.maximum_concurrency, 0)]) + 2 * length(var.queue.retired) + (var.canary.enabled ? var.canary.maximum_concurrency : 0)
    )
    error_message = "queue.retired needs 2 of worker.reserved_concurrency for each queue, beside those of the lanes and of the canaries: otherwise Lambda throttles invocations, and messages move to the dead-letter queue unprocessed. Raise worker.reserved_concurrency."
  }
}
