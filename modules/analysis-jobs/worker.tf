module "worker" {
  source = "../function"

  name                 = local.names.functions.worker
  role_name            = local.names.roles.worker
  handler              = "worker.handler"
  package              = module.package.zip
  live_version         = module.package.live_versions.worker
  architecture         = local.architecture
  timeout_s            = var.worker.timeout_s
  memory_mb            = local.worker_memory_mb
  reserved_concurrency = var.worker.reserved_concurrency
  vpc                  = var.worker.vpc != null ? var.worker.vpc : var.functions.vpc
  environment          = merge(local.environment, local.tracing_environment, var.worker.environment, local.secret_arns)
  statements           = local.worker_statements
  log_retention_days   = var.retention.logs_days
  # The worker sends itself a message for each wait of a job and for each continuation. Attempts, the fencing token and the
  # job's deadline bound these chains. See docs/decisions/0017-loop-detection.md.
  recursive_loop = "Allow"
  tags           = var.tags

  code_signing_config_arn = var.functions.code_signing_config_arn
  kms_key_arn             = one(var.encryption[*].key_arn)
  layers                  = local.layers
  log_class               = var.logs.class
  log_format              = var.logs.format
  log_key_arn             = local.log_key_arn
  log_level               = local.log_level
  role                    = { path = var.role.path, permissions_boundary_arn = var.role.permissions_boundary_arn }
  snap_start              = contains(var.functions.snap_start, "worker")
  tracing                 = local.tracing
}

locals {
  # What the stack sets, else what the package needs.
  worker_memory_mb    = coalesce(var.worker.memory_mb, module.package.worker.memory_mb)
  jobs_per_invocation = var.queue.fifo ? 1 : coalesce(var.worker.jobs_per_invocation, module.package.worker.jobs_per_invocation)
  # Lambda takes more than 10 messages of a queue only with a batching window, for which each job would wait. An
  # invocation receives the messages for its other slots by itself.
  batch_size = min(10, local.jobs_per_invocation)
}

resource "aws_lambda_event_source_mapping" "lane" {
  for_each = local.queues

  # Created after the whole queue module: without the redrive policy a failing message would not reach the dead-letter queue.
  event_source_arn = module.queue[each.key].arn
  function_name    = module.worker.alias_arn
  # A retired FIFO queue keeps its order, also beside standard lanes.
  batch_size                         = each.value.fifo ? 1 : local.batch_size
  maximum_batching_window_in_seconds = each.value.fifo || var.worker.batching_window_s == 0 ? null : var.worker.batching_window_s
  # A failed message of a batch must not make the others visible again.
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  dynamic "scaling_config" {
    # A retired queue is drained slowly, so that the lanes keep their workers.
    for_each = contains(var.queue.retired, each.key) ? [2] : var.lanes[each.value.lane].maximum_concurrency[*]

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "provisioned_poller_config" {
    for_each = contains(var.queue.retired, each.key) ? [] : var.lanes[each.value.lane].provisioned_pollers[*]

    content {
      maximum_pollers = provisioned_poller_config.value.maximum
      minimum_pollers = provisioned_poller_config.value.minimum
    }
  }
}
