# The audit trail has a log group of its own if it has a retention of its own. Otherwise its lines are in the logs of the
# functions, and those of operators' commands in the worker's. The API writes the lines itself: Lambda has one log group
# for a function, and a subscription filter has no other log group as its destination.
resource "aws_cloudwatch_log_group" "audit" {
  count = var.audit == null ? 0 : 1

  name              = local.names.audit_log
  kms_key_id        = var.audit.key_arn != null ? var.audit.key_arn : local.log_key_arn
  retention_in_days = var.audit.retention_days
  # A destroy leaves the trail of a protected stack. Terraform then no longer knows the log group.
  skip_destroy = var.deletion_protection
  tags         = var.tags
}

locals {
  audit_log_arn  = one(aws_cloudwatch_log_group.audit[*].arn)
  audit_log_name = one(aws_cloudwatch_log_group.audit[*].name)

  # No right to read the trail, and none to delete from it.
  audit_actions    = ["logs:CreateLogStream", "logs:PutLogEvents"]
  audit_statements = var.audit == null ? {} : { audit_write = { actions = local.audit_actions, conditions = [], resources = ["${local.audit_log_arn}:*"] } }

  # For the commands of operators, which leave a line in any case.
  operator_statements = var.audit != null ? local.audit_statements : {
    audit_write = { actions = local.audit_actions, conditions = [], resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${local.names.functions.worker}:*"] }
  }
}
