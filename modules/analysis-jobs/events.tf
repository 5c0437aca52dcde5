# Every transition of a job becomes an event. The source is the table's stream, so there is no transition without an event.
module "events" {
  source = "../function"
  count  = var.events.enabled ? 1 : 0

  name         = local.names.functions.events
  role_name    = local.names.roles.events
  handler      = "events.handler"
  package      = module.package.zip
  live_version = module.package.live_versions.events
  architecture = local.architecture
  # A call that hangs times out after half a minute, and the records are retried.
  timeout_s          = 60
  memory_mb          = 256
  environment        = local.event_environment
  statements         = local.event_statements
  log_retention_days = var.retention.logs_days
  tags               = var.tags

  code_signing_config_arn = var.functions.code_signing_config_arn
  kms_key_arn             = one(var.encryption[*].key_arn)
  layers                  = local.layers
  log_class               = var.logs.class
  log_format              = var.logs.format
  log_key_arn             = local.log_key_arn
  log_level               = local.log_level
  role                    = { path = var.role.path, permissions_boundary_arn = var.role.permissions_boundary_arn }
  snap_start              = contains(var.functions.snap_start, "events")
  tracing                 = local.tracing
  reserved_concurrency    = var.functions.reserved_concurrency.events
  vpc                     = var.functions.vpc
}

resource "aws_lambda_event_source_mapping" "events" {
  count = var.events.enabled ? 1 : 0

  event_source_arn = module.job_table.stream_arn
  function_name    = module.events[0].alias_arn
  # A new mapping takes minutes to start, and the first jobs must not miss it. On an existing table it also publishes the
  # events of the last 24 hours.
  starting_position = "TRIM_HORIZON"
  # One batch of a shard at a time, retried from the failed record on: the events of a job stay in order.
  parallelization_factor         = 1
  function_response_types        = ["ReportBatchItemFailures"]
  batch_size                     = 100
  bisect_batch_on_function_error = true
  # Retried without limit: an outage of the bus or a missing permission must lose no event. The stream keeps its records
  # for 24 hours. After 22 hours Lambda reports to the queue below which ones it discards.
  maximum_retry_attempts        = -1
  maximum_record_age_in_seconds = 79200
  tags                          = var.tags

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.event_dead_letter[0].arn
    }
  }

  # Subjects and idempotency keys are in the same table and are left out. So are rows that expire, and heartbeats. A row
  # that is processing is of interest after its claim, which marks it with a claimant, and after a request to cancel it.
  # A heartbeat removes the mark. A record passes if it matches one of the filters.
  filter_criteria {
    dynamic "filter" {
      for_each = [
        { status = { S = [{ "anything-but" = ["processing"] }] } },
        { status = { S = ["processing"] }, claimant = { S = [{ exists = true }] } },
        { status = { S = ["processing"] }, cancel_asked_at = { N = [{ exists = true }] } },
      ]
      content {
        pattern = jsonencode({
          eventName = ["INSERT", "MODIFY"]
          dynamodb  = { Keys = { item = { S = [{ prefix = "job#" }] } }, NewImage = filter.value }
        })
      }
    }
  }
}

# Records which events were not published: by Lambda after 22 hours, or by the function for a row that it cannot read.
resource "aws_sqs_queue" "event_dead_letter" {
  count = var.events.enabled ? 1 : 0

  name                      = local.names.event_dead_letter_queue
  kms_master_key_id         = one(var.encryption[*].key_arn)
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.encryption == null ? true : null
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

# Notices of ended jobs. The AWS managed key of SNS is sufficient, because the publisher is a role of this account.
resource "aws_sns_topic" "notices" {
  count = var.events.sns ? 1 : 0

  name              = local.names.notice_topic
  kms_master_key_id = var.encryption == null ? "alias/aws/sns" : var.encryption.key_arn
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
