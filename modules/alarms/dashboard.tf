locals {
  own      = var.service.namespace
  queue_of = { for lane in sort(keys(var.queues)) : lane => { work = var.queues[lane], dead = var.dead_letter_queues[lane] } }

  average_of = {
    for metric in ["ProcessingSeconds", "WaitSeconds"] : metric => {
      expression = "SEARCH('{${local.own},analysis,service} MetricName=\"${metric}\" service=\"${var.service.name}\"', 'Average', 60)"
      label      = "$${PROP('Dim.analysis')}"
    }
  }

  # In the order of an operator's questions: is anything wrong, do jobs end, what waits, does the worker keep up?
  graphs = concat([
    {
      title = "Jobs"
      stat  = "Sum"
      metrics = [
        for metric in ["JobsSubmitted", "JobsCompleted", "JobsFailed", "JobsRequeued"] : [local.own, metric, "service", var.service.name]
      ]
    },
    {
      title = "Submissions without a new job, by admission policy"
      stat  = "Sum"
      metrics = [
        for metric in ["SubmissionsExisting", "SubmissionsSkipped", "SubmissionsLimited"] : [local.own, metric, "service", var.service.name]
      ]
    },
    # One line for each analysis. The search finds them when they report.
    {
      title   = "Average wait of a job for a worker, by analysis (s)"
      stat    = "Average"
      metrics = [[local.average_of["WaitSeconds"]]]
    },
    {
      title   = "Average processing time of a job, by analysis (s)"
      stat    = "Average"
      metrics = [[local.average_of["ProcessingSeconds"]]]
    },
    {
      title   = "Waiting messages"
      stat    = "Maximum"
      metrics = [for lane, queue in local.queue_of : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue.work]]
    },
    {
      title   = "Age of the oldest message (s)"
      stat    = "Maximum"
      metrics = [for lane, queue in local.queue_of : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue.work]]
    },
    {
      title   = "Dead letters"
      stat    = "Maximum"
      metrics = [for lane, queue in local.queue_of : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue.dead]]
    },
    {
      title = "Worker invocations"
      stat  = "Sum"
      metrics = [
        for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", var.worker.function_name]
      ]
    },
    {
      title   = "Concurrent workers"
      stat    = "Maximum"
      metrics = [["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.worker.function_name]]
    },
    {
      title   = "Longest worker invocation (ms)"
      stat    = "Maximum"
      metrics = [["AWS/Lambda", "Duration", "FunctionName", var.worker.function_name]]
    },
    {
      title   = "Sweeps"
      stat    = "Sum"
      metrics = [[local.own, "Sweeps", "service", var.service.name]]
    },
    ], flatten([
      for api in var.api[*] : [
        {
          title   = "API responses"
          stat    = "Sum"
          metrics = [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", api.id]]
        },
        {
          title   = "API latency, 95th percentile (ms)"
          stat    = "p95"
          metrics = [for metric in ["Latency", "IntegrationLatency"] : ["AWS/ApiGateway", metric, "ApiId", api.id]]
        },
      ]
    ]), [
    for events in var.events[*] : {
      title   = "Age of the oldest unpublished event (ms)"
      stat    = "Maximum"
      metrics = [["AWS/Lambda", "IteratorAge", "FunctionName", events.function_name]]
    }
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = coalesce(var.dashboard_name, "${var.name}-jobs-${local.region}")

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      [for index, graph in local.graphs : {
        type = "metric", x = 12 * (index % 2), y = 3 + 6 * floor(index / 2), width = 12, height = 6
        properties = {
          title   = graph.title
          metrics = graph.metrics
          stat    = graph.stat
          period  = 60
          region  = local.region
          view    = "timeSeries"
        }
      }],
    )
  })
}
