# Every transition of a job is an event, made of the table's own stream: a transition and its event cannot come apart.
module "events" {
  source = "../function"
  count  = var.events.enabled ? 1 : 0

  name         = "${var.name}-events"
  handler      = "events.handler"
  package      = var.package
  architecture = local.architecture
  # A call that hangs is given up after half a minute; the records come back.
  timeout_s          = 60
  memory_mb          = 256
  environment        = local.event_environment
  statements         = local.event_statements
  log_retention_days = var.retention.logs_days
  tags               = var.tags
}

resource "aws_lambda_event_source_mapping" "events" {
  count = var.events.enabled ? 1 : 0

  event_source_arn = module.job_table.stream_arn
  function_name    = module.events[0].alias_arn
  # A mapping takes minutes to begin, and jobs need not wait for it. On a table that has lived without events it tells
  # of the last day too: an event that comes late is noise, one that never comes is a loss.
  starting_position = "TRIM_HORIZON"
  # One batch at a time of a shard, and each from the record on that failed: nothing overtakes within a job.
  parallelization_factor         = 1
  function_response_types        = ["ReportBatchItemFailures"]
  batch_size                     = 100
  bisect_batch_on_function_error = true
  # No count of attempts: a bus that is gone for an hour, or a right that is missing, must cost no event. The stream
  # keeps its records for 24 hours; two before that, Lambda writes down which ones it gives up.
  maximum_retry_attempts        = -1
  maximum_record_age_in_seconds = 79200
  tags                          = var.tags

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.event_dead_letter[0].arn
    }
  }

  # Not the subjects and idempotency keys that share the table, nor rows that end with their retention.
  filter_criteria {
    filter {
      pattern = jsonencode({
        eventName = ["INSERT", "MODIFY"]
        dynamodb  = { Keys = { item = { S = [{ prefix = "job#" }] } } }
      })
    }
  }
}

# Notes of what was given up: by Lambda, after 22 hours, or by the function, which found a row that it cannot read.
resource "aws_sqs_queue" "event_dead_letter" {
  count = var.events.enabled ? 1 : 0

  name                      = "${var.name}-events-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "event_dead_letter" {
  count = var.events.enabled ? 1 : 0

  queue_url = aws_sqs_queue.event_dead_letter[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.event_dead_letter[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# Ended jobs, for people and for queues of other teams. SNS's own key will do: whoever publishes is a role of this account.
resource "aws_sns_topic" "notices" {
  count = var.events.sns ? 1 : 0

  name              = "${var.name}-notices"
  kms_master_key_id = "alias/aws/sns"
  tags              = var.tags
}

resource "aws_sns_topic_policy" "notices" {
  count = var.events.sns ? 1 : 0

  arn = aws_sns_topic.notices[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.notices[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
