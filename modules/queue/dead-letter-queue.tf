locals {
  dead_letter_name = coalesce(var.dead_letter_name, "${trimsuffix(var.name, ".fifo")}-dlq")
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = "${local.dead_letter_name}${var.fifo ? ".fifo" : ""}"
  fifo_queue                = var.fifo
  kms_master_key_id         = var.kms_key_id
  message_retention_seconds = var.dead_letter_retention_s
  receive_wait_time_seconds = var.receive_wait_s
  sqs_managed_sse_enabled   = var.kms_key_id == null ? true : null
  tags                      = var.tags
}

# No other queue can use this dead-letter queue, and StartMessageMoveTask can move its messages back to this one only.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}

resource "aws_sqs_queue_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead_letter.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
