# What is watched. The comment above each `missing` says what silence of that metric means; a wrong answer there is an
# alarm that never rings, or never stops.
locals {
  dead_letter_alarms = merge([
    for lane, queue in var.dead_letter_queues : {
      "dead-letters-${lane}" = {
        description = "Messages were given up and wait in ${queue}. Read one and the logs of its job_id, mend the cause, then run those jobs again."
        metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"]
        dimensions  = { QueueName = queue }
        when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.dead_letter_depth, period_s = 60, periods = 1 }
        # A queue that nobody touches stops reporting; that is no sign that somebody emptied it. The last state stands.
        missing = "ignore"
      }
      # The depth lets a few pass, so that it says "many". This one says "even one, and nobody looked".
      "dead-letter-age-${lane}" = {
        description = "A message lies in ${queue} and nobody has looked at it. It is deleted for good when the queue's retention is over."
        metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"]
        dimensions  = { QueueName = queue }
        when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.dead_letter_age_s, period_s = 60, periods = 1 }
        # As above: silence does not empty a queue.
        missing = "ignore"
      }
    }
  ]...)

  queue_alarms = {
    for lane, queue in var.queues : "oldest-message-${lane}" => {
      description = "A message of ${queue} is unfinished for too long: too few workers, a model that throttles, or no worker at all. Look at the worker's concurrency, throttles and errors."
      metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"]
      dimensions  = { QueueName = queue }
      # Three minutes in a row: the end of one very long job is no reason to wake anybody.
      when = { operator = "GreaterThanThreshold", threshold = coalesce(var.thresholds.oldest_message_age_s, 2 * var.worker.timeout_s), period_s = 60, periods = 3 }
      # Waiting messages keep their queue reporting, even if its mapping is off. Only an idle queue is silent.
      missing = "notBreaching"
    }
  }

  worker_alarms = {
    worker-errors = {
      description = "The worker crashed, ran out of memory or time, or does not start; a job's own failure is not counted here. Its jobs are tried again within a lease. Look at the worker's log."
      metric      = ["AWS/Lambda", "Errors", "Sum"]
      dimensions  = { FunctionName = var.worker.function_name }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.worker_errors, period_s = 300, periods = 1 }
      # No run, no data: an idle worker is well.
      missing = "notBreaching"
    }
    worker-throttles = {
      description = "Lambda refuses to start the worker. Every refusal spends a receive of its message, and the last one sends it to the dead-letter queue unprocessed. Raise the concurrency, or lower the lanes' maximum_concurrency."
      metric      = ["AWS/Lambda", "Throttles", "Sum"]
      dimensions  = { FunctionName = var.worker.function_name }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.worker_throttles, period_s = 300, periods = 1 }
      # Nothing was invoked, so nothing was refused.
      missing = "notBreaching"
    }
    worker-duration = {
      description = "A run came close to the worker's timeout of ${var.worker.timeout_s} s. The next one may be killed at it: give the stage less to do, or split it."
      metric      = ["AWS/Lambda", "Duration", "Maximum"]
      dimensions  = { FunctionName = var.worker.function_name }
      # Milliseconds: seconds x 1000 x percent / 100.
      when = { operator = "GreaterThanThreshold", threshold = var.worker.timeout_s * 10 * var.thresholds.worker_duration_percent, period_s = 300, periods = 1 }
      # No run ended, so none was long.
      missing = "notBreaching"
    }
  }

  api_alarms = {
    api-5xx = {
      description = "The API answers with server errors. Look at function_error in the access log, then at the API function's log."
      metric      = ["AWS/ApiGateway", "5xx", "Sum"]
      dimensions  = { ApiId = var.api_id }
      when        = { operator = "GreaterThanThreshold", threshold = var.thresholds.api_5xx, period_s = 300, periods = 1 }
      # Nobody called: no answer, no bad answer.
      missing = "notBreaching"
    }
  }

  # Counters that the functions write themselves, and only when there is something to count: silence is well.
  own_alarms = {
    for key, alarm in {
      jobs-failed = {
        metric      = "JobsFailed"
        threshold   = var.thresholds.jobs_failed
        description = "Many jobs fail, each for a reason of its own or all for one: a right, a model, a prompt, a deployment. Count the failed jobs by error code."
      }
      jobs-not-sent = {
        metric      = "JobsNotSent"
        threshold   = var.thresholds.jobs_not_sent
        description = "Accepted jobs wait up to three minutes for the sweeper, because their messages cannot be sent: the API lacks the right, or the queue is gone. Look at the API's log."
      }
      sweep-errors = {
        metric      = "SweepErrors"
        threshold   = var.thresholds.sweep_errors
        description = "The sweeper meets rows that it cannot take a step on, sweep after sweep: their jobs stand still. Its log says which, and why."
      }
      } : key => {
      description = alarm.description
      metric      = [var.service.namespace, alarm.metric, "Sum"]
      dimensions  = { service = var.service.name }
      when        = { operator = "GreaterThanThreshold", threshold = alarm.threshold, period_s = 300, periods = 1 }
      missing     = "notBreaching"
    }
  }

  sweeper_alarms = {
    sweeper-silent = {
      description = "No sweep for ${var.thresholds.sweeper_silent_min} minutes: dead workers and lost messages go unnoticed, and their jobs stand still. Look at the sweeper's schedule and log."
      metric      = [var.service.namespace, "Sweeps", "Sum"]
      dimensions  = { service = var.service.name }
      when        = { operator = "LessThanThreshold", threshold = 1, period_s = 60, periods = var.thresholds.sweeper_silent_min }
      # The one alarm whose subject is silence: a sweeper that crashes, or has lost its schedule, reports nothing at all.
      # The price: it rings once while a new stack waits for its first sweep.
      missing = "breaching"
    }
  }

  event_alarms = merge([
    for events in var.events[*] : {
      events-late = {
        description = "Events of jobs go out too late, or not at all: the bus or the topic refuses them, or ${events.function_name} fails. None is lost for 22 hours. Look at its log."
        metric      = ["AWS/Lambda", "IteratorAge", "Maximum"]
        dimensions  = { FunctionName = events.function_name }
        # Milliseconds. Five minutes, because Lambda pauses between its tries.
        when = { operator = "GreaterThanThreshold", threshold = var.thresholds.events_late_s * 1000, period_s = 300, periods = 1 }
        # While a record waits it is tried again and again, and each try reports its age. Silence: nothing happened.
        missing = "notBreaching"
      }
      event-dead-letters = {
        description = "Events were given up for good. ${events.dead_letter_queue} says of which rows, or of which part of the stream; the rows' history still holds the transitions."
        metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"]
        dimensions  = { QueueName = events.dead_letter_queue }
        # Even one: it will not come by itself again.
        when = { operator = "GreaterThanThreshold", threshold = 0, period_s = 60, periods = 1 }
        # As for the jobs' dead letters: silence does not empty a queue.
        missing = "ignore"
      }
    }
  ]...)

  alarms = merge(
    local.dead_letter_alarms, local.queue_alarms, local.worker_alarms, local.api_alarms, local.own_alarms, local.sweeper_alarms,
    local.event_alarms,
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  statistic           = each.value.metric[2]
  dimensions          = each.value.dimensions
  comparison_operator = each.value.when.operator
  threshold           = each.value.when.threshold
  period              = each.value.when.period_s
  evaluation_periods  = each.value.when.periods
  treat_missing_data  = each.value.missing
  # The end of a trouble is news too: whoever was woken may go back to sleep.
  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
  tags          = var.tags
}
