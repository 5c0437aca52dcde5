mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws-cn" }
  }

  mock_data "aws_region" {
    defaults = { id = "cn-north-1" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:one" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws-cn:sns:cn-north-1:111122223333:orders-alarms" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws-cn:kms:cn-north-1:111122223333:key/k", key_id = "k" }
  }
}

variables {
  name               = "orders"
  api                = { access_log = "/aws/vendedlogs/apigateway/orders-api", id = "a1b2c3" }
  queues             = { high = "orders-jobs-high", low = "orders-jobs-low" }
  dead_letter_queues = { high = "orders-jobs-high-dlq", low = "orders-jobs-low-dlq" }
  events             = { dead_letter_queue = "orders-events-dlq", function_name = "orders-events" }
  service            = { name = "orders" }
  worker             = { function_name = "orders-worker", timeout_s = 600 }
}

run "every_alarm_with_its_default" {
  command = plan

  variables {
    email      = ["ops@example.com"]
    thresholds = { cost_usd_per_day = 200, cost_usd_per_hour = 20, database_logins_refused = 0 }
    log_groups = { api = "/aws/lambda/orders-api", worker = "/aws/lambda/orders-worker" }
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.metric_name == null ? "expression" : "${alarm.namespace} ${alarm.metric_name} ${join(",", [for name, value in coalesce(alarm.dimensions, {}) : "${name}=${value}"])}" } == {
      api-5xx                 = "AWS/ApiGateway 5xx ApiId=a1b2c3"
      api-refused             = "AnalysisJobs/orders RequestsRefused "
      cost-per-day            = "AnalysisJobs CostUsd service=orders"
      cost-per-hour           = "AnalysisJobs CostUsd service=orders"
      database-logins-refused = "AnalysisJobs DatabaseLoginsRefused service=orders"
      dead-letter-age-high    = "AWS/SQS ApproximateAgeOfOldestMessage QueueName=orders-jobs-high-dlq"
      dead-letter-age-low     = "AWS/SQS ApproximateAgeOfOldestMessage QueueName=orders-jobs-low-dlq"
      dead-letters-high       = "AWS/SQS ApproximateNumberOfMessagesVisible QueueName=orders-jobs-high-dlq"
      dead-letters-low        = "AWS/SQS ApproximateNumberOfMessagesVisible QueueName=orders-jobs-low-dlq"
      event-dead-letters      = "AWS/SQS ApproximateNumberOfMessagesVisible QueueName=orders-events-dlq"
      events-late             = "AWS/Lambda IteratorAge FunctionName=orders-events"
      events-stuck            = "expression"
      jobs-failed             = "AnalysisJobs JobsFailed service=orders"
      jobs-not-sent           = "AnalysisJobs JobsNotSent service=orders"
      oldest-message-high     = "AWS/SQS ApproximateAgeOfOldestMessage QueueName=orders-jobs-high"
      oldest-message-low      = "AWS/SQS ApproximateAgeOfOldestMessage QueueName=orders-jobs-low"
      sweep-errors            = "AnalysisJobs SweepErrors service=orders"
      sweeper-silent          = "AnalysisJobs Sweeps service=orders"
      worker-duration         = "AWS/Lambda Duration FunctionName=orders-worker"
      worker-errors           = "AWS/Lambda Errors FunctionName=orders-worker"
      worker-throttles        = "AWS/Lambda Throttles FunctionName=orders-worker"
    }
    error_message = "Each alarm must watch its own metric of its own resource."
  }

  assert {
    condition     = output.alarm_names["worker-errors"] == "orders-worker-errors" && length(output.alarm_names) == 21
    error_message = "Every alarm must have the stack's name as prefix, and be in the outputs."
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => "${coalesce(alarm.statistic, "expression")} ${alarm.comparison_operator} ${alarm.threshold} ${coalesce(alarm.period, 900)}s x${alarm.evaluation_periods} ${alarm.treat_missing_data}" } == {
      api-5xx                 = "Sum GreaterThanThreshold 5 300s x1 notBreaching"
      api-refused             = "Sum GreaterThanThreshold 50 300s x1 notBreaching"
      cost-per-day            = "Sum GreaterThanThreshold 200 86400s x1 notBreaching"
      cost-per-hour           = "Sum GreaterThanThreshold 20 3600s x1 notBreaching"
      database-logins-refused = "Sum GreaterThanThreshold 0 300s x1 notBreaching"
      dead-letter-age-high    = "Maximum GreaterThanThreshold 3600 60s x1 ignore"
      dead-letter-age-low     = "Maximum GreaterThanThreshold 3600 60s x1 ignore"
      dead-letters-high       = "Maximum GreaterThanThreshold 5 60s x1 ignore"
      dead-letters-low        = "Maximum GreaterThanThreshold 5 60s x1 ignore"
      event-dead-letters      = "Maximum GreaterThanThreshold 0 60s x1 ignore"
      events-late             = "Maximum GreaterThanThreshold 900000 300s x1 notBreaching"
      events-stuck            = "expression GreaterThanThreshold 0 900s x4 notBreaching"
      jobs-failed             = "Sum GreaterThanThreshold 10 300s x1 notBreaching"
      jobs-not-sent           = "Sum GreaterThanThreshold 5 300s x1 notBreaching"
      oldest-message-high     = "Maximum GreaterThanThreshold 1500 60s x3 ignore"
      oldest-message-low      = "Maximum GreaterThanThreshold 1500 60s x3 ignore"
      sweep-errors            = "Sum GreaterThanThreshold 3 300s x1 notBreaching"
      sweeper-silent          = "Sum LessThanThreshold 1 60s x5 breaching"
      worker-duration         = "Maximum GreaterThanThreshold 595000 300s x4 notBreaching"
      worker-errors           = "Sum GreaterThanThreshold 0 300s x4 notBreaching"
      worker-throttles        = "Sum GreaterThanThreshold 0 300s x1 notBreaching"
    }
    error_message = "An alarm has another threshold than documented."
  }

  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.this["events-stuck"].metric_query : query.id => try("${query.metric[0].namespace} ${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period} ${query.metric[0].dimensions.service}", query.expression) } == {
      alarm     = "IF(FILL(submitted, 0) + FILL(completed, 0) + FILL(failed, 0) > 0 AND FILL(published, 0) == 0, 1, 0)"
      completed = "AnalysisJobs JobsCompleted Sum 900 orders"
      failed    = "AnalysisJobs JobsFailed Sum 900 orders"
      published = "AnalysisJobs EventsPublished Sum 900 orders"
      submitted = "AnalysisJobs JobsSubmitted Sum 900 orders"
    }
    error_message = "A stream that nobody reads has no age: the alarm must compare the changes of jobs with the published events."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["events-stuck"].datapoints_to_alarm == 2
    error_message = "A job that changes at the end of a period must not raise the alarm: its event is published in the next one."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([output.topic_arn]) && alarm.ok_actions == toset([output.topic_arn])
    ])
    error_message = "Each alarm must notify the topic of its beginning and its end."
  }

  assert {
    condition     = aws_sns_topic.alarms[0].kms_master_key_id == aws_kms_key.alarms[0].arn && aws_kms_key.alarms[0].enable_key_rotation
    error_message = "The topic must be encrypted with a key that CloudWatch may use, which the AWS-managed key is not."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["ops@example.com"].topic_arn == output.topic_arn
    error_message = "The address must be subscribed to the topic."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.alarms) == 21
    error_message = "The dashboard must show all alarms."
  }

  assert {
    condition     = alltrue([for queue in concat(values(var.queues), values(var.dead_letter_queues)) : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${queue}\"")])
    error_message = "The dashboard must show every queue."
  }

  assert {
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.metrics[0][0].expression
      if try(widget.properties.stat, "") == "Average"
      ] == [
      for metric in ["WaitSeconds", "ProcessingSeconds"] : "SEARCH('{${var.service.namespace},analysis,service} MetricName=\"${metric}\" service=\"${var.service.name}\"', 'Average', 60)"
    ]
    error_message = "The dashboard must show the average waiting and processing time of every analysis."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.type != "metric" || try(widget.properties.region, "") == "cn-north-1"])
    error_message = "A graph without its Region stays empty."
  }
}

run "a_stack_without_events_has_no_alarm_of_them" {
  command = plan
  variables {
    events = null
  }

  assert {
    condition     = !contains(keys(output.alarm_names), "events-late") && length(output.alarm_names) == 15 && !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "IteratorAge")
    error_message = "Without events there must be no alarms for them."
  }
}

run "a_stack_without_an_api_has_no_alarm_of_it" {
  command = plan

  variables {
    api            = null
    dashboard_name = "acme-analysis"
  }

  assert {
    condition     = !contains(keys(output.alarm_names), "api-5xx") && length(output.alarm_names) == 16 && !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "ApiGateway")
    error_message = "Without an API nothing may watch one."
  }
  assert {
    condition     = output.dashboard_name == "acme-analysis"
    error_message = "The dashboard must have the given name."
  }
}

run "thresholds_are_settings" {
  command = plan
  variables {
    thresholds = { dead_letter_depth = 0, events_late_s = 120, jobs_failed = 1, jobs_not_sent = 2, sweep_errors = 0, oldest_message_age_s = 3000, worker_time_left_s = 10, sweeper_silent_min = 10 }
  }

  assert {
    condition     = [for key in ["dead-letters-low", "events-late", "jobs-failed", "jobs-not-sent", "oldest-message-low", "sweep-errors", "worker-duration"] : aws_cloudwatch_metric_alarm.this[key].threshold] == [0, 120000, 1, 2, 3000, 0, 590000]
    error_message = "The alarms must have the thresholds that were set."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["sweeper-silent"].evaluation_periods == 10
    error_message = "sweeper_silent_min is the number of periods of a minute."
  }
}

run "topics_of_your_own_by_severity" {
  command = plan
  variables {
    topics = { critical = ["arn:aws-cn:sns:cn-north-1:111122223333:pager"], warning = ["arn:aws-cn:sns:cn-north-1:111122223333:chat"] }
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => one(alarm.alarm_actions) if alarm.alarm_actions == alarm.ok_actions } == {
      for key in keys(output.alarm_names) : key => "arn:aws-cn:sns:cn-north-1:111122223333:${contains(["api-refused", "events-late", "jobs-failed", "oldest-message-high", "oldest-message-low", "worker-duration"], key) ? "chat" : "pager"}"
    }
    error_message = "What needs somebody now must go to the critical topic, with its end, and what can wait to the other."
  }
  assert {
    condition     = output.severities["sweeper-silent"] == "critical" && output.severities["jobs-failed"] == "warning"
    error_message = "The outputs must say which severity an alarm has."
  }
  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && length(aws_kms_key.alarms) == 0 && length(aws_kms_alias.alarms) == 0 && output.topic_arn == null
    error_message = "With topics of your own there must be none of the module's, and no key."
  }
}

run "warnings_that_notify_nobody" {
  command = plan
  variables {
    topics = { critical = ["arn:aws-cn:sns:cn-north-1:111122223333:pager"] }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["jobs-failed"].alarm_actions) == 0
    error_message = "Without a topic for warnings they must be on the dashboard only."
  }
}

run "a_key_of_your_own" {
  command = plan
  variables {
    encryption = { key_arn = "arn:aws-cn:kms:cn-north-1:111122223333:key/own" }
  }

  assert {
    condition     = aws_sns_topic.alarms[0].kms_master_key_id == "arn:aws-cn:kms:cn-north-1:111122223333:key/own" && length(aws_kms_key.alarms) == 0
    error_message = "The topic must use the given key, and the module make none."
  }
}
