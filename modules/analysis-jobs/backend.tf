# What the backend of another stack needs to use the library in process: variables, and policies by need.
locals {
  # The prefix keeps them apart from the backend's own variables.
  backend_environment = { for name, value in merge(
    {
      ANALYSES           = join(",", var.analyses)
      BUCKET_NAME        = local.bucket.name
      JOB_RETENTION_DAYS = var.retention.jobs_days
      QUEUE_URLS         = jsonencode(local.queue_urls)
      SERVICE_NAME       = var.name
      TABLE_NAME         = module.job_table.name
    },
    local.bucket.prefix == "" ? {} : { BUCKET_PREFIX = local.bucket.prefix },
    var.audit == null ? {} : { AUDIT_LOG_GROUP = local.audit_log_name },
    var.documents.max_bytes == null ? {} : { MAX_DOCUMENT_BYTES = var.documents.max_bytes },
  ) : "ANALYSIS_JOBS_${name}" => tostring(value) }

  every_tenant = "*"

  # A row's hash key is the tenant. That of an index begins with the tenant and "#", which no tenant contains.
  backend_rows = { for tenant in concat([local.every_tenant], tolist(var.backend.tenants)) : tenant => tenant == local.every_tenant ? [] : [
    { test = "ForAllValues:StringLike", variable = "dynamodb:LeadingKeys", values = [tenant, "${tenant}#*"] },
    # Without keys, a condition for all of them would hold.
    { test = "Null", variable = "dynamodb:LeadingKeys", values = ["false"] },
  ] }
  backend_files = { for tenant in keys(local.backend_rows) : tenant => tenant == local.every_tenant ? "*" : "${tenant}/*" }

  backend_lists = { for tenant, files in local.backend_files : tenant => {
    actions = ["s3:ListBucketVersions"]
    conditions = concat(local.own_bucket, [{
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.bucket.prefix}jobs/${files}", "${local.bucket.prefix}uploads/${files}"]
    }])
    resources = [local.bucket.arn]
  } }

  # The statements of each policy, for all tenants and for each tenant of `backend.tenants`. A message only points to a
  # job, so the right to send one cannot be narrowed.
  backend_statements = { for tenant, rows in local.backend_rows : tenant => {
    cancel = merge(local.key_statements.submit, local.audit_statements, {
      jobs_write = { actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], conditions = rows, resources = [local.table_arn] }
    })
    erase = merge(local.key_statements.submit, local.operator_statements, {
      # Messages of other tenants are read too, and put back.
      dead_letters_drain = {
        actions    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        conditions = []
        resources  = concat([for queue in module.queue : queue.dead_letter_arn], aws_sqs_queue.event_dead_letter[*].arn)
      }
      files_erase = {
        actions    = ["s3:DeleteObjectVersion"]
        conditions = local.own_bucket
        resources  = ["${local.files_root}/${local.backend_files[tenant]}", "${local.uploads_root}/${local.backend_files[tenant]}"]
      }
      files_list = local.backend_lists[tenant]
      # An input and the list of its documents may be in the bucket.
      inputs_read = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = ["${local.files_root}/${local.backend_files[tenant]}"] }
      jobs_erase = {
        actions    = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        conditions = rows
        resources  = [local.table_arn]
      }
    })
    export = merge(local.key_statements.submit, local.operator_statements, {
      files_list = local.backend_lists[tenant]
      files_read = {
        actions    = ["s3:GetObject", "s3:GetObjectVersion"]
        conditions = local.own_bucket
        resources  = ["${local.files_root}/${local.backend_files[tenant]}", "${local.uploads_root}/${local.backend_files[tenant]}"]
      }
      jobs_read    = { actions = ["dynamodb:Query"], conditions = rows, resources = [local.table_arn] }
      prompts_read = { actions = ["dynamodb:GetItem"], conditions = [], resources = [local.prompt_table_arn] }
    })
    read = merge(local.key_statements.submit, local.audit_statements, {
      files_read = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = ["${local.files_root}/${local.backend_files[tenant]}"] }
      jobs_read = {
        actions    = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
        conditions = rows
        resources  = [local.table_arn, "${local.table_arn}/index/by-*"]
      }
    })
    retry = merge(local.key_statements.submit, local.audit_statements, {
      # A rate that counts by a field of the input reads the input.
      inputs_read = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = ["${local.files_root}/${local.backend_files[tenant]}"] }
      jobs_write = {
        actions    = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        conditions = rows
        resources  = [local.table_arn]
      }
      queue_send = local.backend_queue_send
    })
    submit = merge(local.key_statements.submit, local.audit_statements, {
      inputs_write = { actions = ["s3:PutObject"], conditions = local.own_bucket, resources = ["${local.files_root}/${local.backend_files[tenant]}"] }
      # The job of a known idempotency key, and what an admission policy needs to know of the subject.
      jobs_read  = { actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem"], conditions = rows, resources = [local.table_arn] }
      jobs_write = { actions = ["dynamodb:PutItem"], conditions = rows, resources = [local.table_arn] }
      queue_send = local.backend_queue_send
      # A submission records the versions of its documents.
      uploads_read  = { actions = ["s3:GetObject"], conditions = local.own_bucket, resources = ["${local.uploads_root}/${local.backend_files[tenant]}"] }
      uploads_write = { actions = ["s3:PutObject"], conditions = local.own_bucket, resources = ["${local.uploads_root}/${local.backend_files[tenant]}"] }
    })
    upload = merge(local.key_statements.submit, local.audit_statements, {
      uploads_write = { actions = ["s3:PutObject"], conditions = local.own_bucket, resources = ["${local.uploads_root}/${local.backend_files[tenant]}"] }
    })
  } }

  backend_policies = { for tenant, needs in local.backend_statements : tenant => { for need, statements in needs : need => jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in statements : merge(
      {
        Sid      = replace(title(replace(name, "_", " ")), " ", "")
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
      },
      length(statement.conditions) == 0 ? {} : {
        Condition = {
          for test in distinct(statement.conditions[*].test) : test => {
            for condition in statement.conditions : condition.variable => condition.values if condition.test == test
          }
        }
      },
    )]
  }) } }
}
