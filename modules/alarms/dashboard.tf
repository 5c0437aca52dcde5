locals {
  own      = var.service.namespace
  queue_of = { for lane in sort(keys(var.queues)) : lane => { work = var.queues[lane], dead = var.dead_letter_queues[lane] } }

  average_of = {
    for metric in ["ProcessingSeconds", "WaitSeconds"] : metric => {
      expression = "SEARCH('{${local.own},analysis,service} MetricName=\"${metric}\" service=\"${var.service.name}\"', 'Average', 60)"
      label      = "$${PROP('Dim.analysis')}"
    }
  }

  sum_of = {
    for metric in ["CostUsd", "InputTokens", "OutputTokens"] : metric => {
      expression = "SEARCH('{${local.own},analysis,service} MetricName=\"${metric}\" service=\"${var.service.name}\"', 'Sum', 3600)"
      label      = "$${PROP('Dim.analysis')}"
    }
  }

  # In the order of an operator's questions. Each heading has its question.
  questions = concat([
    { heading = "Is it up, and do jobs end?", graphs = concat(local.up_graphs, local.api_graphs) },
    { heading = "How many wait, how old is the oldest, and do the workers keep up?", graphs = local.waiting_graphs },
    { heading = "What does it cost, and which analysis is it?", graphs = local.cost_graphs },
    { heading = "Which version is live, and does it start?", graphs = local.version_graphs },
  ], [for events in var.events[*] : { heading = "Do other systems hear of it?", graphs = local.event_graphs }])

  up_graphs = [
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
    {
      title   = "Sweeps"
      stat    = "Sum"
      metrics = [[local.own, "Sweeps", "service", var.service.name]]
    },
    {
      title = "Failures that callers do not see"
      stat  = "Sum"
      metrics = [
        for metric in ["JobsNotSent", "SweepErrors", "DatabaseLoginsRefused"] : [local.own, metric, "service", var.service.name]
      ]
    },
  ]

  waiting_graphs = [
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
  ]

  cost_graphs = [
    { title = "Cost of model calls (USD)", stat = "Sum", period = 3600, metrics = [[local.own, "CostUsd", "service", var.service.name]] },
    { title = "Cost of model calls by analysis (USD)", stat = "Sum", period = 3600, metrics = [[local.sum_of["CostUsd"]]] },
    { title = "Input tokens by analysis", stat = "Sum", period = 3600, metrics = [[local.sum_of["InputTokens"]]] },
    { title = "Output tokens by analysis", stat = "Sum", period = 3600, metrics = [[local.sum_of["OutputTokens"]]] },
  ]

  # Lambda reports each version behind an alias. More than one line means that a deployment is in progress.
  version_graphs = [
    for metric in ["Invocations", "Errors"] : {
      title = "${metric} of the worker by version"
      stat  = "Sum"
      metrics = [[{
        expression = "SEARCH('{AWS/Lambda,ExecutedVersion,FunctionName,Resource} MetricName=\"${metric}\" FunctionName=\"${var.worker.function_name}\"', 'Sum', 60)"
        label      = "$${PROP('Dim.ExecutedVersion')}"
      }]]
    }
  ]

  api_graphs = flatten([
    for api in var.api[*] : concat([
      {
        title = "API responses"
        stat  = "Sum"
        metrics = concat(
          [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", api.id]],
          [for log in api.access_log[*] : [local.access_namespace, "RequestsRefused"]],
        )
      },
      {
        title   = "API latency, 95th percentile (ms)"
        stat    = "p95"
        metrics = [for metric in ["Latency", "IntegrationLatency"] : ["AWS/ApiGateway", metric, "ApiId", api.id]]
      },
    ])
  ])

  event_graphs = [
    for events in var.events[*] : {
      title   = "Age of the oldest unpublished event (ms)"
      stat    = "Maximum"
      metrics = [["AWS/Lambda", "IteratorAge", "FunctionName", events.function_name]]
    }
  ]

  # A row of graphs has two of them. `top` is the row at which the section begins, after the alarms.
  section_heights = [for question in local.questions : 1 + 6 * ceil(length(question.graphs) / 2)]
  widgets = flatten([for section, question in local.questions : concat(
    [{
      type       = "text", x = 0, y = 3 + sum(concat([0], slice(local.section_heights, 0, section))), width = 24, height = 1
      properties = { markdown = "## ${question.heading}" }
    }],
    [for index, graph in question.graphs : {
      type = "metric", x = 12 * (index % 2), y = 4 + sum(concat([0], slice(local.section_heights, 0, section))) + 6 * floor(index / 2), width = 12, height = 6
      properties = {
        title   = graph.title
        metrics = graph.metrics
        stat    = graph.stat
        period  = try(graph.period, 60)
        region  = local.region
        view    = "timeSeries"
      }
    }],
  )])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = coalesce(var.dashboard_name, "${var.name}-jobs-${local.region}")

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "What rings?", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      local.widgets,
    )
  })
}
