# Prompts can change without a deployment. Workers read the item "active" of the key
# "<section>/<sub_section>#<category>". The key "<section>/<sub_section>" has the versions, the history, and which version
# is active.
resource "aws_dynamodb_table" "prompts" {
  name                        = local.names.prompt_table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "prompt"
  range_key                   = "item"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "item"
    type = "S"
  }

  attribute {
    name = "prompt"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = one(var.encryption[*].key_arn)
  }

  # Created last, so that a destroy begins with it: DynamoDB refuses to delete the protected table, and everything else
  # stays. So nothing in the module may refer to the table, only to its name. A test checks that the list is complete.
  depends_on = [
    aws_cloudwatch_event_rule.sweep,
    aws_cloudwatch_event_target.sweep,
    aws_cloudwatch_log_group.audit,
    aws_lambda_event_source_mapping.canary,
    aws_lambda_event_source_mapping.events,
    aws_lambda_event_source_mapping.lane,
    aws_lambda_function_event_invoke_config.sweep,
    aws_lambda_permission.sweep,
    aws_sns_topic.notices,
    aws_sns_topic_policy.notices,
    aws_sqs_queue.event_dead_letter,
    aws_sqs_queue_policy.event_dead_letter,
    module.alarms,
    module.api,
    module.api_function,
    module.artifact_bucket,
    module.canary_queue,
    module.events,
    module.job_table,
    module.queue,
    module.sweeper,
    module.worker,
    terraform_data.queue_guard,
  ]
}
