# The lane of canaries: its messages reach the newest version of the worker, those of the other lanes the one in service.
# No caller can name this lane.
module "canary_queue" {
  source = "../queue"
  count  = var.canary.enabled ? 1 : 0

  name                    = local.names.canary_queue
  kms_key_id              = one(var.encryption[*].key_arn)
  function_timeout_s      = var.worker.timeout_s
  visibility_timeout_s    = var.queue.visibility_timeout_s
  retention_s             = 86400
  dead_letter_retention_s = 345600
  tags                    = var.tags
}

locals {
  # Not `one(module.canary_queue[*].arn)`: see `every_queue`.
  canary_queue_arns = var.canary.enabled ? [try(module.canary_queue[0].arn, null)] : []
  canary_queue_url  = var.canary.enabled ? try(module.canary_queue[0].url, null) : null
}

resource "aws_lambda_event_source_mapping" "canary" {
  count = var.canary.enabled ? 1 : 0

  event_source_arn        = module.canary_queue[0].arn
  function_name           = module.worker.candidate_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = var.canary.maximum_concurrency
  }
}
