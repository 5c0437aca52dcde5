# The alarms. The comment above each `missing` says what missing data means for that metric. A wrong value gives an alarm
# that never fires, or never ends. tests/modules/test_aws_alarms_ring.py makes each alarm on a metric of AWS fire.
locals {
  # Lambda dates the metrics of an invocation back to its start, and sends them after its end. CloudWatch reads little more
  # than the evaluation periods. So these must reach back to the start of the longest invocation, and one datapoint in
  # them is enough. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
  invocation_periods = ceil(var.worker.timeout_s / 300) + 2

  # A worker hands its jobs over this long before its timeout, as handlers/worker.py computes it. The alarm on the duration
  # leaves it a third of that time for the hand-over.
  stop_margin_s = min(var.worker.stop_margin_s, var.worker.timeout_s / 4)
  time_left_s   = min(var.thresholds.worker_time_left_s, local.stop_margin_s * 2 / 3)

  # The longest delay that SQS gives a message. A job that waits for a busy service has such a message.
  longest_delay_s = 900
}

locals {
  dead_letter_alarms = merge([
    for lane, queue in var.dead_letter_queues : {
      "dead-letters-${lane}" = {
        description = "Messages failed and are in ${queue}. Read one of them and the logs of its job_id, fix the cause, then redrive the jobs."
        metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"]
        dimensions  = { QueueName = queue }
        when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.dead_letter_depth, period_s = 60, periods = 1 }
        # An unused queue stops reporting, and may still hold messages. So the last state is kept.
        missing = "ignore"
      }
      # The alarm on the depth fires for many messages. This one fires for a single message that nobody handles.
      "dead-letter-age-${lane}" = {
        description = "A message has been in ${queue} for too long. SQS deletes it when the retention of the queue ends."
        metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"]
        dimensions  = { QueueName = queue }
        when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.dead_letter_age_s, period_s = 60, periods = 1 }
        # As above: missing data does not mean an empty queue.
        missing = "ignore"
      }
    }
  ]...)

  queue_alarms = {
    for lane, queue in var.queues : "oldest-message-${lane}" => {
      description = "A message of ${queue} is unfinished for too long: there are too few workers, or no worker runs. On a FIFO queue the job may also wait for a model that throttles. Look at the worker's concurrency, throttles and errors."
      metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"]
      dimensions  = { QueueName = queue }
      # Three consecutive minutes, so that the end of one very long job raises no alarm.
      when = { operator = "GreaterThanThreshold", threshold = coalesce(var.thresholds.oldest_message_age_s, local.longest_delay_s + var.worker.timeout_s), period_s = 60, periods = 3 }
      # As for the dead letters: SQS stops reporting a queue that nobody uses, also if it holds messages.
      missing = "ignore"
    }
  }

  worker_alarms = {
    worker-errors = {
      description = "The worker crashed, ran out of memory or time, or does not start. Failed jobs are not counted here. Its jobs run again within one lease. Look at the worker's log."
      metric      = ["AWS/Lambda", "Errors", "Sum"]
      dimensions  = { FunctionName = var.worker.function_name }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.worker_errors, period_s = 300, periods = local.invocation_periods, breaching = 1 }
      # Missing data means that the worker did not run.
      missing = "notBreaching"
    }
    worker-throttles = {
      description = "Lambda throttles the worker. Each throttle counts as a receive of the message, and the last one moves it to the dead-letter queue unprocessed. Raise the concurrency, or lower the lanes' maximum_concurrency."
      metric      = ["AWS/Lambda", "Throttles", "Sum"]
      dimensions  = { FunctionName = var.worker.function_name }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.worker_throttles, period_s = 300, periods = 1 }
      # Missing data means that nothing was invoked.
      missing = "notBreaching"
    }
    worker-duration = {
      description = "An invocation ran into the last ${format("%.3g", local.time_left_s)} s before the worker's timeout of ${var.worker.timeout_s} s, although a worker hands its jobs over before. The next one may time out: look in the worker's log for the stage that did not stop, and split it."
      metric      = ["AWS/Lambda", "Duration", "Maximum"]
      dimensions  = { FunctionName = var.worker.function_name }
      # Milliseconds.
      when = { operator = "GreaterThanThreshold", threshold = floor((var.worker.timeout_s - local.time_left_s) * 1000), period_s = 300, periods = local.invocation_periods, breaching = 1 }
      # Missing data means that no invocation ended.
      missing = "notBreaching"
    }
  }

  api_alarms = {
    for api in var.api[*] : "api-5xx" => {
      description = "The API answers with server errors. Look at function_error in the access log, then at the API function's log."
      metric      = ["AWS/ApiGateway", "5xx", "Sum"]
      dimensions  = { ApiId = api.id }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.api_5xx, period_s = 300, periods = 1 }
      # Missing data means that there were no requests.
      missing = "notBreaching"
    }
  }

  refused_alarms = {
    for log in try(var.api.access_log, null)[*] : "api-refused" => {
      description = "The API refuses many requests (401 or 403): an expired or wrong token, a caller without a tenant, or somebody who tries. authorizer_error, source_ip and route of the access log say which."
      metric      = [local.access_namespace, "RequestsRefused", "Sum"]
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.api_refused, period_s = 300, periods = 1 }
      # Missing data means that there were no requests.
      missing = "notBreaching"
    }
  }

  # The cost of all jobs of the stack, which each attempt reports when it ends. Null thresholds make no alarm.
  cost_alarms = {
    for key, alarm in {
      cost-per-day  = { threshold = var.thresholds.cost_usd_per_day, period_s = 86400 }
      cost-per-hour = { threshold = var.thresholds.cost_usd_per_hour, period_s = 3600 }
      } : key => {
      description = "The model calls cost more than ${alarm.threshold} USD in ${alarm.period_s / 3600} h. The saved query \"cost by analysis and tenant\" says for whom. To stop, disable the mappings and cancel the jobs."
      metric      = [var.service.namespace, "CostUsd", "Sum"]
      dimensions  = { service = var.service.name }
      when        = { operator = "GreaterThanThreshold", threshold = alarm.threshold, period_s = alarm.period_s, periods = 1 }
      # Missing data means that no model was called.
      missing = "notBreaching"
    } if alarm.threshold != null
  }

  # Metrics that the functions write themselves, and only if there is something to count. Missing data is good.
  own_alarms = {
    for key, alarm in {
      jobs-failed = {
        metric      = "JobsFailed"
        threshold   = var.thresholds.jobs_failed
        description = "Many jobs fail. They may have one cause, such as a missing permission, a model, a prompt or a deployment. Count the failed jobs by error code."
      }
      jobs-not-sent = {
        metric      = "JobsNotSent"
        threshold   = var.thresholds.jobs_not_sent
        description = "The messages of accepted jobs cannot be sent, so the jobs wait up to three minutes for the sweeper. The API lacks the permission, or the queue does not exist. Look at the API's log."
      }
      database-logins-refused = {
        metric      = "DatabaseLoginsRefused"
        threshold   = var.thresholds.database_logins_refused
        description = "The database refuses the worker's login, also after the secret was read again. The jobs wait until their deadline. Correct the secret, or the user in the database."
      }
      sweep-errors = {
        metric      = "SweepErrors"
        threshold   = var.thresholds.sweep_errors
        description = "The sweeper cannot handle some rows, in every sweep, and their jobs make no progress. Its log names the rows and the errors."
      }
      } : key => {
      description = alarm.description
      metric      = [var.service.namespace, alarm.metric, "Sum"]
      dimensions  = { service = var.service.name }
      when        = { operator = "GreaterThanThreshold", threshold = alarm.threshold, period_s = 300, periods = 1 }
      missing     = "notBreaching"
    } if alarm.threshold != null
  }

  sweeper_alarms = {
    sweeper-silent = {
      description = "No sweep for ${var.thresholds.sweeper_silent_min} minutes. Crashed workers and lost messages are not noticed, and their jobs make no progress. Look at the sweeper's schedule and log."
      metric      = [var.service.namespace, "Sweeps", "Sum"]
      dimensions  = { service = var.service.name }
      when        = { operator = "LessThanThreshold", threshold = 1, period_s = 60, periods = var.thresholds.sweeper_silent_min }
      # Missing data is the problem here: a sweeper that crashes or has no schedule reports nothing. So a new stack raises
      # this alarm once, before its first sweep.
      missing = "breaching"
    }
  }

  event_alarms = merge([
    for events in var.events[*] : {
      events-late = {
        description = "Events of jobs are published late, or not at all: the bus or the topic refuses them, or ${events.function_name} fails. None is lost within 22 hours. Look at its log."
        metric      = ["AWS/Lambda", "IteratorAge", "Maximum"]
        dimensions  = { FunctionName = events.function_name }
        # Milliseconds. The period is five minutes because Lambda waits between its attempts.
        when = { operator = "GreaterThanThreshold", threshold = var.thresholds.events_late_s * 1000, period_s = 300, periods = 1 }
        # A waiting record is tried repeatedly, and each attempt reports its age. Missing data means that there are no records,
        # or that Lambda does not read the stream. The next alarm sees the second case.
        missing = "notBreaching"
      }
      # Without an invocation there is no age: a disabled mapping, a missing right to the stream, a throttled function.
      events-stuck = {
        description = "Jobs make progress, and no event is published: the mapping of ${events.function_name} is disabled, may not read the stream, or the function is throttled. No event is lost within 22 hours. Look at the state of the mapping and at the function's throttles."
        expression  = "IF(FILL(submitted, 0) + FILL(completed, 0) + FILL(failed, 0) > 0 AND FILL(published, 0) == 0, 1, 0)"
        operands    = { completed = "JobsCompleted", failed = "JobsFailed", published = "EventsPublished", submitted = "JobsSubmitted" }
        # Two of four periods: the event of a job that changes at the end of a period is published in the next one.
        when    = { operator = "GreaterThanThreshold", threshold = 0, period_s = 900, periods = 4, breaching = 2 }
        missing = "notBreaching"
      }
      event-dead-letters = {
        description = "Some events will not be published. ${events.dead_letter_queue} names the rows, or the part of the stream. The history of the rows still has the transitions."
        metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"]
        dimensions  = { QueueName = events.dead_letter_queue }
        # A single message is enough: nothing retries it.
        when = { operator = "GreaterThanThreshold", threshold = 0, period_s = 60, periods = 1 }
        # As for the dead letters of jobs: missing data does not mean an empty queue.
        missing = "ignore"
      }
    }
  ]...)

  alarms = merge(
    local.dead_letter_alarms, local.queue_alarms, local.worker_alarms, local.api_alarms, local.own_alarms, local.sweeper_alarms,
    local.event_alarms, local.refused_alarms, local.cost_alarms,
  )
}

locals {
  # These can wait until the morning: jobs are slow or fail by themselves, and none is lost. All others are critical.
  warnings   = concat(["api-refused", "cost-per-day", "cost-per-hour", "database-logins-refused", "events-late", "jobs-failed", "worker-duration"], keys(local.queue_alarms))
  severities = { for key in keys(local.alarms) : key => contains(local.warnings, key) ? "warning" : "critical" }

  topics = var.topics == null ? { critical = aws_sns_topic.alarms[*].arn, warning = aws_sns_topic.alarms[*].arn } : var.topics
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = try(each.value.metric[0], null)
  metric_name         = try(each.value.metric[1], null)
  statistic           = try(each.value.metric[2], null)
  dimensions          = try(each.value.dimensions, null)
  comparison_operator = each.value.when.operator
  threshold           = each.value.when.threshold
  period              = try(each.value.expression, null) == null ? each.value.when.period_s : null
  evaluation_periods  = each.value.when.periods
  datapoints_to_alarm = try(each.value.when.breaching, null)
  treat_missing_data  = each.value.missing
  # The end of an alarm is sent too.
  alarm_actions = local.topics[local.severities[each.key]]
  ok_actions    = local.topics[local.severities[each.key]]
  tags          = var.tags

  # An alarm on an expression over metrics that the functions write.
  dynamic "metric_query" {
    for_each = try([each.value.expression], [])

    content {
      id          = "alarm"
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = try(each.value.operands, {})

    content {
      id = metric_query.key

      metric {
        dimensions  = { service = var.service.name }
        metric_name = metric_query.value
        namespace   = var.service.namespace
        period      = each.value.when.period_s
        stat        = "Sum"
      }
    }
  }
}
