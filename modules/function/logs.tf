# Created before the function. Otherwise Lambda creates a log group without a retention.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  kms_key_id        = var.log_key_arn
  log_group_class   = var.log_class
  retention_in_days = var.log_retention_days
  tags              = var.tags
}
