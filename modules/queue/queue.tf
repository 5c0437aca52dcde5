locals {
  # A job on a FIFO queue waits on its own message, so each wait is a receive. On a standard queue only a crash is.
  default_max_receive_count = var.fifo ? 100 : 3
}

resource "aws_sqs_queue" "this" {
  name                       = var.name
  fifo_queue                 = var.fifo
  kms_master_key_id          = var.kms_key_id
  message_retention_seconds  = var.retention_s
  receive_wait_time_seconds  = var.receive_wait_s
  sqs_managed_sse_enabled    = var.kms_key_id == null ? true : null
  tags                       = var.tags
  visibility_timeout_seconds = var.visibility_timeout_s == null ? var.function_timeout_s + 60 : var.visibility_timeout_s
}

# A separate resource, so that the two queues are created in parallel.
resource "aws_sqs_queue_redrive_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = coalesce(var.max_receive_count, local.default_max_receive_count)
  })
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
