# Each overridden part has distinct values, so that a value shows its source.
mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:rule/orders-sweep" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:prompts" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:111122223333:orders-notices" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:111122223333:orders-events-dlq", id = "https://sqs/events-dlq", url = "https://sqs/events-dlq" }
  }
}

override_module {
  target = module.queue["high"]
  outputs = {
    arn              = "arn:aws:sqs:eu-west-1:111122223333:high"
    dead_letter_name = "orders-jobs-high-dlq"
    dead_letter_url  = "https://sqs/high-dlq"
    name             = "orders-jobs-high"
    url              = "https://sqs/high"
  }
}

override_module {
  target = module.queue["medium"]
  outputs = {
    arn              = "arn:aws:sqs:eu-west-1:111122223333:medium"
    dead_letter_name = "orders-jobs-dlq"
    dead_letter_url  = "https://sqs/medium-dlq"
    name             = "orders-jobs"
    url              = "https://sqs/medium"
  }
}

override_module {
  target = module.job_table
  outputs = {
    arn        = "arn:jobs"
    index_arns = { by-client = "arn:jobs/index/by-client", due = "arn:jobs/index/due", waiting = "arn:jobs/index/waiting" }
    name       = "orders-jobs"
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders-jobs/stream/1"
  }
}

override_module {
  target  = module.artifact_bucket
  outputs = { arn = "arn:bucket", name = "orders-artifacts" }
}

override_module {
  target = module.model_access
  outputs = {
    statements = { models_invoke = { actions = ["bedrock:InvokeModel"], conditions = [], resources = ["arn:model"] } }
  }
}

override_module {
  target  = module.api_function
  outputs = { name = "orders-api", alias_name = "live", alias_invoke_arn = "arn:invoke-api", role_name = "api-role" }
}

override_module {
  target  = module.worker
  outputs = { name = "orders-worker", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:live", role_name = "worker-role" }
}

override_module {
  target  = module.sweeper
  outputs = { name = "orders-sweeper", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-sweeper:live", alias_name = "live", role_name = "sweeper-role" }
}

override_module {
  target  = module.events
  outputs = { name = "orders-events", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-events:live", role_name = "events-role" }
}

override_module {
  target  = module.api
  outputs = { id = "a1b2c3", url = "https://a1b2c3" }
}

override_module {
  target  = module.alarms
  outputs = { topic_arn = "arn:topic", dashboard_name = "orders-jobs" }
}

variables {
  name              = "orders"
  analyses          = ["rfp_analysis", "valuation.books"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  lanes             = { high = { maximum_concurrency = 4 }, medium = {} }
  package           = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  api               = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
}

run "a_stack_with_its_defaults" {
  command = plan

  variables {
    environment = { STAGE = "test" }
    model_id    = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
  }

  # Event sources, and outputs.
  assert {
    condition = { for lane, mapping in aws_lambda_event_source_mapping.lane : lane => [
      mapping.event_source_arn, mapping.function_name, join(",", mapping.function_response_types), tostring(mapping.batch_size),
      ] } == {
      high   = ["arn:aws:sqs:eu-west-1:111122223333:high", "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:live", "ReportBatchItemFailures", "1"]
      medium = ["arn:aws:sqs:eu-west-1:111122223333:medium", "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:live", "ReportBatchItemFailures", "1"]
    }
    error_message = "Each lane must feed the worker's alias and report failed messages one by one."
  }
  assert {
    condition     = one(aws_lambda_event_source_mapping.lane["high"].scaling_config).maximum_concurrency == 4 && length(aws_lambda_event_source_mapping.lane["medium"].scaling_config) == 0
    error_message = "maximum_concurrency must apply to its own lane."
  }
  assert {
    condition     = aws_cloudwatch_event_rule.sweep.schedule_expression == "rate(1 minute)" && aws_cloudwatch_event_target.sweep.arn == "arn:aws:lambda:eu-west-1:111122223333:function:orders-sweeper:live"
    error_message = "The schedule must call the alias each minute."
  }
  assert {
    condition     = aws_lambda_permission.sweep.function_name == "orders-sweeper" && aws_lambda_permission.sweep.qualifier == "live" && endswith(aws_lambda_permission.sweep.source_arn, ":rule/orders-sweep")
    error_message = "The alias must admit this rule and no other."
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.sweep.maximum_retry_attempts == 0
    error_message = "The next minute's sweep is the retry."
  }
  assert {
    condition     = output.queue_urls == { high = "https://sqs/high", medium = "https://sqs/medium" } && output.dead_letter_queue_urls == { high = "https://sqs/high-dlq", medium = "https://sqs/medium-dlq" }
    error_message = "Queues and dead-letter queues must not be mixed up."
  }
  assert {
    condition     = output.function_names == { api = "orders-api", events = "orders-events", sweeper = "orders-sweeper", worker = "orders-worker" } && output.role_names == { api = "api-role", events = "events-role", sweeper = "sweeper-role", worker = "worker-role" }
    error_message = "Functions and roles must not be mixed up."
  }
  assert {
    condition     = [output.api_url, output.table_name, output.prompt_table_name, output.bucket_name, output.alarm_topic_arn, output.dashboard_name] == ["https://a1b2c3", "orders-jobs", "orders-prompts", "orders-artifacts", "arn:topic", "orders-jobs"]
    error_message = "An output has the value of another resource."
  }
  assert {
    condition = jsonencode(output.deployment) == jsonencode({
      alarm_topic_arn             = output.alarm_topic_arn
      api_url                     = output.api_url
      bucket_name                 = output.bucket_name
      dashboard_name              = output.dashboard_name
      dead_letter_queue_urls      = output.dead_letter_queue_urls
      event_bus_name              = output.event_bus_name
      event_dead_letter_queue_url = output.event_dead_letter_queue_url
      function_names              = output.function_names
      notice_topic_arn            = output.notice_topic_arn
      prompt_table_name           = output.prompt_table_name
      queue_urls                  = output.queue_urls
      role_names                  = output.role_names
      table_name                  = output.table_name
    })
    error_message = "deployment must repeat the other outputs."
  }
  assert {
    condition     = local.queue_names == { high = "orders-jobs-high", medium = "orders-jobs" }
    error_message = "A renamed queue is a new, empty one: medium must keep the plain name."
  }
  assert {
    condition     = local.bucket_name == "orders-artifacts-111122223333-eu-west-1"
    error_message = "The bucket's name must hold account and Region: it is unique in the partition."
  }
  assert {
    condition     = aws_dynamodb_table.prompts.deletion_protection_enabled && aws_dynamodb_table.prompts.point_in_time_recovery[0].enabled && aws_dynamodb_table.prompts.server_side_encryption[0].enabled
    error_message = "The prompt table must be protected from deletion, recoverable and encrypted."
  }

  # Each role has exactly these statements.
  assert {
    condition = { for key, statement in local.api_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      inputs_write  = "s3:PutObject on arn:bucket/jobs/*"
      jobs_read     = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query on arn:jobs arn:jobs/index/by-*"
      jobs_write    = "dynamodb:PutItem dynamodb:UpdateItem on arn:jobs"
      queue_send    = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
      results_read  = "s3:GetObject on arn:bucket/jobs/*"
      uploads_write = "s3:PutObject on arn:bucket/uploads/*"
    }
    error_message = "The API's role has changed."
  }
  assert {
    condition = { for key, statement in local.worker_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      artifacts      = "s3:GetObject s3:PutObject on arn:bucket/jobs/*"
      documents_read = "s3:GetObject on arn:bucket/uploads/*"
      jobs_write     = "dynamodb:UpdateItem on arn:jobs"
      models_invoke  = "bedrock:InvokeModel on arn:model"
      order_read     = "dynamodb:Query on arn:jobs/index/waiting"
      prompts_read   = "dynamodb:GetItem on arn:prompts"
      queue_consume  = "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
      queue_send     = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
    }
    error_message = "The worker's role has changed."
  }
  assert {
    condition = { for key, statement in local.sweeper_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      due_read   = "dynamodb:Query on arn:jobs/index/due"
      jobs_write = "dynamodb:GetItem dynamodb:UpdateItem on arn:jobs"
      queue_send = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
    }
    error_message = "The sweeper's role has changed."
  }
  assert {
    condition = { for key, statement in local.event_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      dead_letters_send = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:orders-events-dlq"
      events_put        = "events:PutEvents on arn:aws:events:eu-west-1:111122223333:event-bus/default"
      stream_read       = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator dynamodb:ListStreams on arn:aws:dynamodb:eu-west-1:111122223333:table/orders-jobs/stream/1"
    }
    error_message = "The role of the events function has changed."
  }
  assert {
    condition = { for statement in jsondecode(output.submit_policy_json).Statement : statement.Sid => join(" ", concat(sort(statement.Action), ["on"], sort(statement.Resource))) } == {
      InputsWrite = "s3:PutObject on arn:bucket/jobs/*"
      JobsRead    = "dynamodb:BatchGetItem dynamodb:GetItem on arn:jobs"
      JobsWrite   = "dynamodb:PutItem on arn:jobs"
      QueueSend   = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
    }
    error_message = "The policy for other backends has changed."
  }

  # Each function has exactly these variables.
  assert {
    condition = { for key, value in local.environment : key => tostring(value) } == {
      ANALYSES                     = "rfp_analysis,valuation.books"
      BUCKET_NAME                  = "orders-artifacts"
      CODE_VERSION                 = var.package.sha256_base64
      DOCUMENT_MEMORY_MB           = "512"
      HEARTBEAT_S                  = "15"
      JOB_RETENTION_DAYS           = "30"
      LEASE_S                      = "60"
      MODEL_ID                     = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
      POWERTOOLS_METRICS_NAMESPACE = "AnalysisJobs"
      POWERTOOLS_SERVICE_NAME      = "orders"
      PROMPT_TABLE_NAME            = "orders-prompts"
      QUEUE_URLS                   = "{\"high\":\"https://sqs/high\",\"medium\":\"https://sqs/medium\"}"
      STAGE                        = "test"
      TABLE_NAME                   = "orders-jobs"
    }
    error_message = "The functions' environment has changed; the library's settings must read it."
  }
  assert {
    condition = { for key, value in local.event_environment : key => tostring(value) } == {
      EVENT_BUS_NAME               = "default"
      EVENT_DEAD_LETTER_QUEUE_URL  = "https://sqs/events-dlq"
      POWERTOOLS_METRICS_NAMESPACE = "AnalysisJobs"
      POWERTOOLS_SERVICE_NAME      = "orders"
      STAGE                        = "test"
    }
    error_message = "The environment of the events function has changed; the library's settings must read it."
  }
  assert {
    condition     = length(setsubtract(setsubtract(concat(keys(local.environment), keys(local.event_environment)), keys(var.environment)), local.own_variables)) == 0
    error_message = "A variable that the module sets is missing from the list that users may not overwrite."
  }

  # The stream of the job table.
  assert {
    condition     = [aws_lambda_event_source_mapping.events[0].event_source_arn, aws_lambda_event_source_mapping.events[0].function_name] == ["arn:aws:dynamodb:eu-west-1:111122223333:table/orders-jobs/stream/1", "arn:aws:lambda:eu-west-1:111122223333:function:orders-events:live"]
    error_message = "The stream of the job table must feed the alias."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.events[0].starting_position == "TRIM_HORIZON"
    error_message = "With LATEST, changes during the creation of the mapping would be lost."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.events[0].parallelization_factor == 1 && aws_lambda_event_source_mapping.events[0].function_response_types == toset(["ReportBatchItemFailures"]) && aws_lambda_event_source_mapping.events[0].bisect_batch_on_function_error
    error_message = "A failed record must be retried alone, and before later records."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.events[0].maximum_retry_attempts == -1 && aws_lambda_event_source_mapping.events[0].maximum_record_age_in_seconds < 86400
    error_message = "Records must expire by their age, before the stream drops them, and not by a number of retries."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.events[0].destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.event_dead_letter[0].arn && aws_sqs_queue.event_dead_letter[0].sqs_managed_sse_enabled
    error_message = "Expired records must go to the encrypted dead-letter queue."
  }
  assert {
    condition     = jsondecode(one(one(aws_lambda_event_source_mapping.events[0].filter_criteria).filter).pattern) == { dynamodb = { Keys = { item = { S = [{ prefix = "job#" }] } } }, eventName = ["INSERT", "MODIFY"] }
    error_message = "The mapping must select inserts and changes of job rows only."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_policy.event_dead_letter[0].policy).Statement[0].Resource == aws_sqs_queue.event_dead_letter[0].arn && aws_sqs_queue_policy.event_dead_letter[0].queue_url == aws_sqs_queue.event_dead_letter[0].id
    error_message = "The dead-letter queue must require TLS."
  }
  assert {
    condition     = [output.event_bus_name, output.event_dead_letter_queue_url] == ["default", "https://sqs/events-dlq"] && output.notice_topic_arn == null
    error_message = "An output has the value of another resource."
  }
}

run "everything_set" {
  command = plan

  variables {
    documents    = { max_bytes = 1000, max_pages = 10, max_pixels = 2000, ocr = "textract" }
    events       = { bus_name = "orders", sns = true }
    lanes        = { high = { tier = "priority" }, medium = {} }
    model_prices = { "some.model" = { input = 0.3, output = 2.5, tiers = { priority = 1.75 } } }
    package      = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=", architecture = "x86_64", version = "1.2.3" }
    queue        = { fifo = true }
    worker = {
      secret_key_arns = ["arn:aws:kms:eu-west-1:111122223333:key/0a1b"]
      secrets         = { MODEL_KEY_ARN = "arn:aws:ssm:eu-west-1:111122223333:parameter/key" }
    }
  }

  assert {
    condition     = output.notice_topic_arn == "arn:aws:sns:eu-west-1:111122223333:orders-notices" && local.event_environment.NOTICE_TOPIC_ARN == output.notice_topic_arn
    error_message = "The function must get the ARN of the topic."
  }
  assert {
    condition     = one(local.event_statements.notices_publish.resources) == output.notice_topic_arn && one(local.event_statements.notices_publish.actions) == "sns:Publish"
    error_message = "The function must be allowed to publish to it, and to no other."
  }
  assert {
    condition     = aws_sns_topic.notices[0].name == "orders-notices" && aws_sns_topic.notices[0].kms_master_key_id == "alias/aws/sns"
    error_message = "The topic must be encrypted: notices contain names of tenants."
  }
  assert {
    condition     = aws_sns_topic_policy.notices[0].arn == output.notice_topic_arn && jsondecode(aws_sns_topic_policy.notices[0].policy).Statement[0].Resource == output.notice_topic_arn
    error_message = "The topic must require TLS."
  }
  assert {
    condition     = output.event_bus_name == "orders" && one(local.event_statements.events_put.resources) == "arn:aws:events:eu-west-1:111122223333:event-bus/orders" && local.event_environment.EVENT_BUS_NAME == "orders"
    error_message = "Events must go to the given bus."
  }
  assert {
    condition     = local.queue_names == { high = "orders-jobs-high.fifo", medium = "orders-jobs.fifo" }
    error_message = "SQS refuses a FIFO queue without .fifo."
  }
  assert {
    condition     = one(local.worker_statements.secrets_read.resources) == "arn:aws:ssm:eu-west-1:111122223333:parameter/key" && !contains(keys(local.api_statements), "secrets_read")
    error_message = "Only the worker may read its secrets, and only those."
  }
  assert {
    condition     = one(local.worker_statements.secrets_decrypt.resources) == "arn:aws:kms:eu-west-1:111122223333:key/0a1b" && !contains(keys(local.api_statements), "secrets_decrypt")
    error_message = "Only the worker may decrypt its secrets, and only with their keys."
  }
  assert {
    condition     = jsondecode(local.environment.MODEL_PRICES)["some.model"].output == 2.5 && jsondecode(local.environment.MODEL_PRICES)["some.model"].tiers == { priority = 1.75 }
    error_message = "The functions must get the given prices."
  }
  assert {
    condition     = jsondecode(local.environment.SERVICE_TIERS) == { high = "priority" }
    error_message = "The functions must get the service tiers of the lanes that have one."
  }
  assert {
    condition     = [for name in ["MAX_DOCUMENT_BYTES", "MAX_PAGES", "MAX_PIXELS", "OCR_ENGINE"] : tostring(local.environment[name])] == ["1000", "10", "2000", "textract"]
    error_message = "The functions must get the limits of documents."
  }
  assert {
    condition     = local.worker_statements.pages_recognise.actions == ["textract:DetectDocumentText"]
    error_message = "The worker must be allowed to read pages with Textract."
  }
  assert {
    condition     = !contains(keys(local.api_statements), "pages_recognise")
    error_message = "Only the worker reads pages with Textract."
  }
  assert {
    condition     = local.architecture == "x86_64"
    error_message = "Compiled code of one processor does not import on the other."
  }
  assert {
    condition     = local.environment.CODE_VERSION == "1.2.3"
    error_message = "A result must name the version of the code that made it."
  }
}

run "optional_parts_left_out" {
  command = plan

  variables {
    alarms            = { enabled = false }
    bedrock_model_ids = []
    events            = { enabled = false }
    worker            = { secrets = { MODEL_KEY_ARN = "arn:aws:ssm:eu-west-1:111122223333:parameter/key" } }
  }

  assert {
    condition     = output.alarm_topic_arn == null && output.dashboard_name == null
    error_message = "Without alarms there must be no topic and no dashboard."
  }
  assert {
    condition     = length(module.events) == 0 && length(aws_lambda_event_source_mapping.events) == 0 && length(aws_sqs_queue.event_dead_letter) == 0
    error_message = "Without events there must be no events function, mapping or queue."
  }
  assert {
    condition     = output.event_bus_name == null && output.event_dead_letter_queue_url == null && output.function_names == { api = "orders-api", sweeper = "orders-sweeper", worker = "orders-worker" } && keys(output.role_names) == ["api", "sweeper", "worker"]
    error_message = "Without events their outputs must be null."
  }
  assert {
    condition     = !contains(keys(local.worker_statements), "models_invoke")
    error_message = "Without bedrock_model_ids the worker must not call any model."
  }
  assert {
    condition     = !contains(keys(local.environment), "MODEL_ID")
    error_message = "Without a default model MODEL_ID must not be set."
  }
  assert {
    condition     = !contains(keys(local.worker_statements), "secrets_decrypt")
    error_message = "Without secret_key_arns the worker must not get kms:Decrypt."
  }
}
