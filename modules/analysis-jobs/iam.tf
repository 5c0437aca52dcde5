# Who may do what: the whole of it, one statement a need. What is not needed is not here; a test takes each statement
# away and sees the stack miss it.
locals {
  table_arn   = module.job_table.arn
  uploads_arn = "${module.artifact_bucket.arn}/uploads/*"
  files_arn   = "${module.artifact_bucket.arn}/jobs/*"

  queue_send = { actions = ["sqs:SendMessage"], resources = local.queue_arns }

  # What submitting a job takes, here and in another stack's backend.
  submit_statements = {
    inputs_write = { actions = ["s3:PutObject"], resources = [local.files_arn] }
    jobs_write   = { actions = ["dynamodb:PutItem"], resources = [local.table_arn] }
    queue_send   = local.queue_send
  }

  api_statements = merge(local.submit_statements, {
    # To cancel a job and to run it again changes its row; who only submits need not.
    jobs_write = { actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = [local.table_arn] }
    jobs_read = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [local.table_arn, "${local.table_arn}/index/by-*"]
    }
    results_read = { actions = ["s3:GetObject"], resources = [local.files_arn] }
    # A presigned upload is done with the right of whoever signed it.
    uploads_write = { actions = ["s3:PutObject"], resources = [local.uploads_arn] }
  })

  worker_statements = merge(
    {
      artifacts      = { actions = ["s3:GetObject", "s3:PutObject"], resources = [local.files_arn] }
      documents_read = { actions = ["s3:GetObject"], resources = [local.uploads_arn] }
      jobs_write     = { actions = ["dynamodb:UpdateItem"], resources = [local.table_arn] }
      prompts_read   = { actions = ["dynamodb:GetItem"], resources = [aws_dynamodb_table.prompts.arn] }
      queue_consume = {
        actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        resources = local.queue_arns
      }
      queue_send = local.queue_send
    },
    # FIFO queues have an order of their own, and no tiers.
    var.queue.fifo ? {} : {
      order_read = { actions = ["dynamodb:Query"], resources = [module.job_table.index_arns["waiting"]] }
    },
    # One statement for both services, so that its key does not hang on ARNs that are unknown when planning.
    length(var.worker.secrets) == 0 ? {} : {
      secrets_read = { actions = ["secretsmanager:GetSecretValue", "ssm:GetParameter"], resources = values(var.worker.secrets) }
    },
    length(var.worker.secret_key_arns) == 0 ? {} : {
      secrets_decrypt = { actions = ["kms:Decrypt"], resources = var.worker.secret_key_arns }
    },
    # Textract knows no resources.
    var.documents.ocr != "textract" ? {} : {
      pages_recognise = { actions = ["textract:DetectDocumentText"], resources = ["*"] }
    },
    one(module.model_access[*].statements),
  )

  sweeper_statements = {
    due_read   = { actions = ["dynamodb:Query"], resources = [module.job_table.index_arns["due"]] }
    jobs_write = { actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], resources = [local.table_arn] }
    queue_send = local.queue_send
  }

  event_statements = merge(
    {
      # Lambda writes down with the function's own role what it gives up.
      dead_letters_send = { actions = ["sqs:SendMessage"], resources = aws_sqs_queue.event_dead_letter[*].arn }
      events_put        = { actions = ["events:PutEvents"], resources = [local.event_bus_arn] }
      stream_read = {
        actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        resources = [module.job_table.stream_arn]
      }
    },
    var.events.sns ? { notices_publish = { actions = ["sns:Publish"], resources = aws_sns_topic.notices[*].arn } } : {},
  )
}

module "model_access" {
  source = "../model-access"
  count  = length(var.bedrock_model_ids) > 0 ? 1 : 0

  model_ids                          = var.bedrock_model_ids
  application_inference_profile_arns = var.application_inference_profile_arns
  marketplace                        = var.marketplace
}

locals {
  submit_policy_json = jsonencode({
    Version = "2012-10-17"
    # An idempotency key that was used before is answered with the job it made, and a policy looks at what is known of
    # the subject: these are read.
    Statement = [for name, statement in merge(local.submit_statements, {
      jobs_read = { actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem"], resources = [local.table_arn] }
      }) : {
      Sid      = replace(title(replace(name, "_", " ")), " ", "")
      Effect   = "Allow"
      Action   = statement.actions
      Resource = statement.resources
    }]
  })
}
