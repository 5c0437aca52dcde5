locals {
  # The library has defaults for those that are null.
  document_limits = {
    MAX_DOCUMENT_BYTES = var.documents.max_bytes
    MAX_PAGES          = var.documents.max_pages
    MAX_PIXELS         = var.documents.max_pixels
    OCR_ENGINE         = var.documents.ocr
    OCR_LANGUAGES      = var.documents.ocr_languages == null ? null : join(",", var.documents.ocr_languages)
  }

  # The service tier of each lane that has one.
  service_tiers = { for name, lane in var.lanes : name => lane.tier if lane.tier != null }

  # The settings of the functions. The library reads these variables and no others.
  environment = merge(local.observability_environment, var.environment, {
    ANALYSES                     = join(",", var.analyses)
    BUCKET_NAME                  = local.bucket.name
    CODE_VERSION                 = module.package.version
    DOCUMENT_MEMORY_MB           = floor(local.worker_memory_mb / 2)
    HEARTBEAT_S                  = var.lease.heartbeat_s
    JOBS_PER_INVOCATION          = local.jobs_per_invocation
    JOB_RETENTION_DAYS           = var.retention.jobs_days
    LEASE_S                      = var.lease.lease_s
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = var.name
    PROMPT_TABLE_NAME            = local.names.prompt_table
    QUEUE_URLS                   = jsonencode(local.queue_urls)
    TABLE_NAME                   = module.job_table.name
    }, var.model_id == null ? {} : { MODEL_ID = var.model_id },
    { for name, value in local.document_limits : name => value if value != null },
    local.bucket.prefix == "" ? {} : { BUCKET_PREFIX = local.bucket.prefix },
    local.canary_queue_url == null ? {} : { CANARY_QUEUE_URL = local.canary_queue_url },
    length(local.service_tiers) == 0 ? {} : { SERVICE_TIERS = jsonencode(local.service_tiers) },
    length(var.model_prices) == 0 ? {} : { MODEL_PRICES = jsonencode(var.model_prices) },
  )

  # The events function loads no analyses and reads no table.
  event_environment = merge(local.observability_environment, var.environment, {
    CODE_VERSION                 = module.package.version
    EVENT_BUS_NAME               = var.events.bus_name
    EVENT_DEAD_LETTER_QUEUE_URL  = one(aws_sqs_queue.event_dead_letter[*].url)
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = var.name
  }, var.events.sns || var.events.topic != null ? { NOTICE_TOPIC_ARN = local.notice_topic_arn } : {})
}
