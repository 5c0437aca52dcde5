# The rights of the functions: least-privilege statements, one for each need. A test removes each one and sees a failure.
locals {
  # The `SOURCE` of the library's events.
  event_source = "analysis-jobs"

  table_arn    = module.job_table.arn
  uploads_root = "${local.bucket.arn}/${local.bucket.prefix}uploads"
  files_root   = "${local.bucket.arn}/${local.bucket.prefix}jobs"
  uploads_arn  = "${local.uploads_root}/*"
  files_arn    = "${local.files_root}/*"

  # The ARN of a bucket has no account. If the bucket were deleted, another account could create one with its name.
  own_bucket = [{ test = "StringEquals", variable = "aws:ResourceAccount", values = [local.account] }]

  # A backend of another stack sends to the lanes. The functions also send to the lane of canaries.
  backend_queue_send = { actions = ["sqs:SendMessage"], conditions = [], resources = local.queue_arns }
  queue_send         = { actions = ["sqs:SendMessage"], conditions = [], resources = concat(local.queue_arns, local.canary_queue_arns) }

  api_statements = merge(local.key_statements.api, local.audit_statements, local.tracing_statements, {
    inputs_write = { actions = ["s3:PutObject"], conditions = local.own_bucket, resources = [local.files_arn] }
    # Cancel and retry update the row. Submitting does not.
    jobs_write = { actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = [local.table_arn] }
    jobs_read = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [local.table_arn, "${local.table_arn}/index/by-*"]
    }
    queue_send   = local.queue_send
    results_read = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = [local.files_arn] }
    # A submission records the versions of its documents.
    uploads_read = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = [local.uploads_arn] }
    # A presigned upload uses the rights of the role that signed it.
    uploads_write = { actions = ["s3:PutObject"], conditions = local.own_bucket, resources = [local.uploads_arn] }
  })

  worker_statements = merge(
    {
      artifacts      = { actions = ["s3:GetObject", "s3:PutObject"], conditions = local.own_bucket, resources = [local.files_arn] }
      documents_read = { actions = ["s3:GetObject", "s3:GetObjectVersion"], conditions = local.own_bucket, resources = [local.uploads_arn] }
      jobs_write     = { actions = ["dynamodb:UpdateItem"], resources = [local.table_arn] }
      prompts_read   = { actions = ["dynamodb:GetItem"], resources = [local.prompt_table_arn] }
      queue_consume = {
        actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        resources = concat(local.queue_arns, local.canary_queue_arns, local.retired_queue_arns)
      }
      queue_send = local.queue_send
    },
    # Tiers need standard queues.
    var.queue.fifo ? {} : {
      order_read = { actions = ["dynamodb:Query"], resources = [module.job_table.index_arns["waiting"]] }
    },
    # One statement for both services, so that its key does not depend on ARNs that are unknown at plan time.
    length(var.worker.secrets) == 0 ? {} : {
      secrets_read = { actions = ["secretsmanager:GetSecretValue", "ssm:GetParameter"], resources = values(var.worker.secrets) }
    },
    length(var.worker.secret_key_arns) == 0 ? {} : {
      secrets_decrypt = {
        actions = ["kms:Decrypt"]
        # Only for the two services that hold the secrets. The worker's code cannot decrypt anything else with the keys.
        conditions = [{
          test     = "StringEquals"
          variable = "kms:ViaService"
          values   = [for service in ["secretsmanager", "ssm"] : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
        }]
        resources = var.worker.secret_key_arns
      }
    },
    # Textract supports no resource but "*".
    var.documents.ocr != "textract" ? {} : {
      pages_recognise = { actions = ["textract:DetectDocumentText"], resources = ["*"] }
    },
    one(module.model_access[*].statements),
    local.key_statements.worker,
    local.tracing_statements,
    var.worker.statements,
  )

  sweeper_statements = merge(local.key_statements.sweeper, {
    due_read   = { actions = ["dynamodb:Query"], resources = [module.job_table.index_arns["due"]] }
    jobs_write = { actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"], resources = [local.table_arn] }
    queue_send = local.queue_send
  })

  event_statements = merge(
    {
      # Lambda reports discarded events with the function's role.
      dead_letters_send = { actions = ["sqs:SendMessage"], resources = aws_sqs_queue.event_dead_letter[*].arn }
      events_put = {
        actions    = ["events:PutEvents"]
        conditions = [{ test = "StringEquals", variable = "events:source", values = [local.event_source] }]
        resources  = [local.event_bus_arn]
      }
      stream_read = {
        actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        resources = [module.job_table.stream_arn]
      }
    },
    var.events.sns || var.events.topic != null ? { notices_publish = { actions = ["sns:Publish"], resources = [local.notice_topic_arn] } } : {},
    local.key_statements.events,
  )
}

module "model_access" {
  source = "../model-access"
  count  = length(var.bedrock_model_ids) > 0 ? 1 : 0

  model_ids                          = var.bedrock_model_ids
  geographies                        = var.model_access.geographies
  regions                            = var.model_access.regions
  application_inference_profile_arns = var.application_inference_profile_arns
  marketplace                        = var.marketplace
}

locals {
  # IAM's quota for all inline policies of a role together, without blanks.
  max_inline_policy_characters = 10240
  # The rest of the worker's policies. Its ARNs are unknown before the first apply, so this is its size with the longest
  # names. A test plans that stack and measures it.
  own_policy_characters = 4200 + 15 * max(0, local.longest_name - 42) + 140 * length(var.queue.retired)
  longest_name          = max([for name in concat(values(local.names.queues), [local.names.canary_queue, local.names.table, local.names.prompt_table, local.names.functions.worker]) : length(name)]...)

  worker_policy_characters = local.own_policy_characters + length(jsonencode([
    one(module.model_access[*].statements), values(var.worker.secrets), var.worker.secret_key_arns,
    local.key_statements.worker, local.tracing_statements, var.worker.statements,
  ])) + (local.tracing == "Active" ? 200 : 0)
}
