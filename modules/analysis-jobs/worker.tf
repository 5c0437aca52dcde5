module "worker" {
  source = "../function"

  name                 = "${var.name}-worker"
  handler              = "worker.handler"
  package              = module.package.zip
  architecture         = local.architecture
  timeout_s            = var.worker.timeout_s
  memory_mb            = var.worker.memory_mb
  reserved_concurrency = var.worker.reserved_concurrency
  vpc                  = var.worker.vpc
  environment          = merge(local.environment, var.worker.environment, var.worker.secrets)
  statements           = local.worker_statements
  log_retention_days   = var.retention.logs_days
  # The worker sends itself a message for each wait of a job and for each continuation. Attempts, the fencing token and the
  # job's deadline bound these chains. See docs/decisions/0017-loop-detection.md.
  recursive_loop = "Allow"
  tags           = var.tags
}

resource "aws_lambda_event_source_mapping" "lane" {
  for_each = var.lanes

  # Created after the whole queue module: without the redrive policy a failing message would not reach the dead-letter queue.
  event_source_arn = module.queue[each.key].arn
  function_name    = module.worker.alias_arn
  batch_size       = var.worker.jobs_per_invocation
  # A failed message of a batch must not make the others visible again.
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  dynamic "scaling_config" {
    for_each = each.value.maximum_concurrency[*]

    content {
      maximum_concurrency = scaling_config.value
    }
  }
}
