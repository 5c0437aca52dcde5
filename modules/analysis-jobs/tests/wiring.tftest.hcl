# Each overridden part has distinct values, so that a value shows its source.
mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

override_module {
  target = module.queue["high"]
  outputs = {
    arn              = "arn:aws:sqs:eu-west-1:111122223333:high"
    dead_letter_arn  = "arn:aws:sqs:eu-west-1:111122223333:high-dlq"
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
    dead_letter_arn  = "arn:aws:sqs:eu-west-1:111122223333:medium-dlq"
    dead_letter_name = "orders-jobs-dlq"
    dead_letter_url  = "https://sqs/medium-dlq"
    name             = "orders-jobs"
    url              = "https://sqs/medium"
  }
}

override_module {
  target = module.queue["high.fifo"]
  outputs = {
    arn              = "arn:aws:sqs:eu-west-1:111122223333:high.fifo"
    dead_letter_arn  = "arn:aws:sqs:eu-west-1:111122223333:high-dlq.fifo"
    dead_letter_name = "orders-jobs-high-dlq.fifo"
    dead_letter_url  = "https://sqs/high-dlq.fifo"
    name             = "orders-jobs-high.fifo"
    url              = "https://sqs/high.fifo"
  }
}

override_module {
  target = module.queue["medium.fifo"]
  outputs = {
    arn              = "arn:aws:sqs:eu-west-1:111122223333:medium.fifo"
    dead_letter_arn  = "arn:aws:sqs:eu-west-1:111122223333:medium-dlq.fifo"
    dead_letter_name = "orders-jobs-dlq.fifo"
    dead_letter_url  = "https://sqs/medium-dlq.fifo"
    name             = "orders-jobs.fifo"
    url              = "https://sqs/medium.fifo"
  }
}

override_module {
  target  = module.canary_queue
  outputs = { arn = "arn:aws:sqs:eu-west-1:111122223333:canary", url = "https://sqs/canary" }
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
  outputs = { name = "orders-api", alias_name = "live", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-api:live", alias_invoke_arn = "arn:invoke-api", arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-api", log_group_arn = "arn:log:api", role_arn = "arn:role:api", role_name = "api-role" }
}

override_module {
  target  = module.worker
  outputs = { name = "orders-worker", alias_name = "live", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:live", candidate_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:candidate", arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-worker", log_group_arn = "arn:log:worker", role_arn = "arn:role:worker", role_name = "worker-role" }
}

override_module {
  target  = module.sweeper
  outputs = { name = "orders-sweeper", alias_name = "live", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-sweeper:live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-sweeper", log_group_arn = "arn:log:sweeper", role_arn = "arn:role:sweeper", role_name = "sweeper-role" }
}

override_module {
  target  = module.events
  outputs = { name = "orders-events", alias_name = "live", alias_arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-events:live", arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders-events", log_group_arn = "arn:log:events", role_arn = "arn:role:events", role_name = "events-role" }
}

override_module {
  target  = module.api
  outputs = { arn = "arn:api", domain_target = null, iam_resource = "arn:execute/*/*/iam/*", id = "a1b2c3", url = "https://a1b2c3", urls = { jwt = "https://a1b2c3" } }
}

override_module {
  target  = module.alarms
  outputs = { alarm_names = { worker-errors = "orders-worker-errors" }, topic_arn = "arn:topic", dashboard_name = "orders-jobs" }
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
      alarm_names                 = output.alarm_names
      api_id                      = output.api_id
      api_url                     = output.api_url
      api_urls                    = output.api_urls
      arns                        = output.arns
      backend_environment         = output.backend_environment
      bucket_name                 = output.bucket_name
      canary_queue_url            = output.canary_queue_url
      dashboard_name              = output.dashboard_name
      dead_letter_queue_urls      = output.dead_letter_queue_urls
      domain_target               = output.domain_target
      event_bus_name              = output.event_bus_name
      event_dead_letter_queue_url = output.event_dead_letter_queue_url
      function_names              = output.function_names
      names                       = output.names
      notice_topic_arn            = output.notice_topic_arn
      prompt_table_name           = output.prompt_table_name
      queue_urls                  = output.queue_urls
      role_names                  = output.role_names
      table_name                  = output.table_name
    })
    error_message = "deployment must repeat the other outputs."
  }
  assert {
    condition     = output.names.queues == { high = "orders-jobs-high", medium = "orders-jobs" }
    error_message = "A renamed queue is a new, empty one: medium must keep the plain name."
  }
  assert {
    condition     = output.names.bucket == "orders-artifacts-111122223333-eu-west-1"
    error_message = "The bucket's name must hold account and Region: it is unique in the partition."
  }
  assert {
    condition     = aws_dynamodb_table.prompts.deletion_protection_enabled && aws_dynamodb_table.prompts.point_in_time_recovery[0].enabled && aws_dynamodb_table.prompts.server_side_encryption[0].enabled
    error_message = "The prompt table must be protected from deletion, recoverable and encrypted."
  }

  assert {
    condition = [
      aws_lambda_event_source_mapping.canary[0].function_name, aws_lambda_event_source_mapping.canary[0].event_source_arn, aws_lambda_event_source_mapping.canary[0].scaling_config[0].maximum_concurrency,
    ] == ["arn:aws:lambda:eu-west-1:111122223333:function:orders-worker:candidate", "arn:aws:sqs:eu-west-1:111122223333:canary", 2]
    error_message = "Canaries run on the newest version, at most two at a time."
  }
  assert {
    condition     = alltrue([for mapping in aws_lambda_event_source_mapping.lane : endswith(mapping.function_name, ":live")])
    error_message = "The jobs of callers run on the version in service."
  }
  assert {
    condition     = !contains(keys(jsondecode(local.environment.QUEUE_URLS)), "canary")
    error_message = "A caller must not be able to name the lane of canaries."
  }

  # Each role has exactly these statements.
  assert {
    condition = { for key, statement in local.api_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      inputs_write  = "s3:PutObject on arn:bucket/jobs/*"
      jobs_read     = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query on arn:jobs arn:jobs/index/by-*"
      jobs_write    = "dynamodb:PutItem dynamodb:UpdateItem on arn:jobs"
      queue_send    = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium arn:aws:sqs:eu-west-1:111122223333:canary"
      results_read  = "s3:GetObject on arn:bucket/jobs/*"
      uploads_read  = "s3:GetObject on arn:bucket/uploads/*"
      uploads_write = "s3:PutObject on arn:bucket/uploads/*"
    }
    error_message = "The API's role has changed."
  }
  assert {
    condition = { for key, statement in local.worker_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      artifacts      = "s3:GetObject s3:PutObject on arn:bucket/jobs/*"
      documents_read = "s3:GetObject s3:GetObjectVersion on arn:bucket/uploads/*"
      jobs_write     = "dynamodb:UpdateItem on arn:jobs"
      models_invoke  = "bedrock:InvokeModel on arn:model"
      order_read     = "dynamodb:Query on arn:jobs/index/waiting"
      prompts_read   = "dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:111122223333:table/orders-prompts"
      queue_consume  = "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium arn:aws:sqs:eu-west-1:111122223333:canary"
      queue_send     = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium arn:aws:sqs:eu-west-1:111122223333:canary"
    }
    error_message = "The worker's role has changed."
  }
  assert {
    condition = { for key, statement in local.sweeper_statements : key => join(" ", concat(sort(statement.actions), ["on"], statement.resources)) } == {
      due_read   = "dynamodb:Query on arn:jobs/index/due"
      jobs_write = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem on arn:jobs"
      queue_send = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium arn:aws:sqs:eu-west-1:111122223333:canary"
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
      InputsWrite  = "s3:PutObject on arn:bucket/jobs/*"
      JobsRead     = "dynamodb:BatchGetItem dynamodb:GetItem on arn:jobs"
      JobsWrite    = "dynamodb:PutItem on arn:jobs"
      QueueSend    = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
      UploadsRead  = "s3:GetObject on arn:bucket/uploads/*"
      UploadsWrite = "s3:PutObject on arn:bucket/uploads/*"
    }
    error_message = "The policy for other backends has changed."
  }

  # Each function has exactly these variables.
  assert {
    condition = { for key, value in local.environment : key => tostring(value) } == {
      ANALYSES                     = "rfp_analysis,valuation.books"
      BUCKET_NAME                  = "orders-artifacts"
      CANARY_QUEUE_URL             = "https://sqs/canary"
      CODE_VERSION                 = var.package.sha256_base64
      DOCUMENT_MEMORY_MB           = "512"
      HEARTBEAT_S                  = "15"
      JOBS_PER_INVOCATION          = "1"
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
      CODE_VERSION                 = var.package.sha256_base64
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
    condition     = length(one(aws_lambda_event_source_mapping.events[0].filter_criteria).filter) == 3 && alltrue([for filter in one(aws_lambda_event_source_mapping.events[0].filter_criteria).filter : jsondecode(filter.pattern).dynamodb.Keys == { item = { S = [{ prefix = "job#" }] } } && jsondecode(filter.pattern).eventName == ["INSERT", "MODIFY"]])
    error_message = "The mapping must select inserts and changes of job rows only. tests/modules/test_stream_filter.py tests the rest."
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

run "languages_of_ocr" {
  command = plan

  variables {
    documents = { ocr_languages = ["eng", "deu"] }
  }

  assert {
    condition     = local.environment.OCR_LANGUAGES == "eng,deu" && !contains(keys(local.environment), "OCR_ENGINE")
    error_message = "The functions must get the languages, and the library's default engine."
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
    condition     = output.names.queues == { "high.fifo" = "orders-jobs-high.fifo", "medium.fifo" = "orders-jobs.fifo" } && output.queue_urls == { high = "https://sqs/high.fifo", medium = "https://sqs/medium.fifo" }
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
    condition     = [for condition in local.worker_statements.secrets_decrypt.conditions : "${condition.variable} ${join(",", condition.values)}"] == ["kms:ViaService secretsmanager.eu-west-1.amazonaws.com,ssm.eu-west-1.amazonaws.com"]
    error_message = "The worker must decrypt through the services that hold secrets only."
  }
  assert {
    condition     = [for condition in local.event_statements.events_put.conditions : "${condition.test} ${condition.variable} ${join(",", condition.values)}"] == ["StringEquals events:source analysis-jobs"]
    error_message = "Events of another source must be refused."
  }
  assert {
    condition = alltrue([for statement in values(merge(local.api_statements, local.worker_statements)) :
      [for condition in statement.conditions : "${condition.variable} ${one(condition.values)}"] == ["aws:ResourceAccount 111122223333"] if anytrue([for action in statement.actions : startswith(action, "s3:")])
    ])
    error_message = "The functions must use the bucket of this account only: its ARN has no account."
  }
  assert {
    condition     = jsonencode(jsondecode(output.submit_policy_json).Statement[0].Condition) == jsonencode({ StringEquals = { "aws:ResourceAccount" = ["111122223333"] } })
    error_message = "Another stack's backend must use the bucket of this account only."
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

run "every_arn_is_an_output" {
  command = plan

  variables {
    events = { sns = true }
  }

  assert {
    condition = jsonencode(output.arns) == jsonencode({
      alarm_topic             = "arn:topic"
      api                     = "arn:api"
      audit_log               = null
      bucket                  = "arn:bucket"
      canary_queue            = "arn:aws:sqs:eu-west-1:111122223333:canary"
      dead_letter_queues      = { high = "arn:aws:sqs:eu-west-1:111122223333:high-dlq", medium = "arn:aws:sqs:eu-west-1:111122223333:medium-dlq" }
      event_bus               = "arn:aws:events:eu-west-1:111122223333:event-bus/default"
      event_dead_letter_queue = "arn:aws:sqs:eu-west-1:111122223333:orders-events-dlq"
      function_aliases        = { for name in ["api", "events", "sweeper", "worker"] : name => "arn:aws:lambda:eu-west-1:111122223333:function:orders-${name}:live" }
      functions               = { for name in ["api", "events", "sweeper", "worker"] : name => "arn:aws:lambda:eu-west-1:111122223333:function:orders-${name}" }
      log_groups              = { for name in ["api", "events", "sweeper", "worker"] : name => "arn:log:${name}" }
      notice_topic            = "arn:aws:sns:eu-west-1:111122223333:orders-notices"
      prompt_table            = "arn:prompts"
      queues                  = { high = "arn:aws:sqs:eu-west-1:111122223333:high", medium = "arn:aws:sqs:eu-west-1:111122223333:medium" }
      roles                   = { for name in ["api", "events", "sweeper", "worker"] : name => "arn:role:${name}" }
      sweep_rule              = "arn:aws:events:eu-west-1:111122223333:rule/orders-sweep"
      table                   = "arn:jobs"
      table_stream            = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders-jobs/stream/1"
    })
    error_message = "An ARN is missing, or belongs to another resource."
  }
}

run "a_stack_without_an_api" {
  command = plan

  variables {
    api         = null
    web_origins = ["https://app.example.com"]
  }

  assert {
    condition     = length(module.api) == 0 && length(module.api_function) == 0 && keys(output.function_names) == ["events", "sweeper", "worker"]
    error_message = "Without an API there must be no function for it."
  }
  assert {
    condition     = output.api_id == null && output.api_url == null && output.api_urls == null && output.arns.api == null && output.invoke_policy_json == null && output.names.api == null
    error_message = "Without an API its outputs must be null."
  }
  assert {
    condition     = one(local.web_origins) == "https://app.example.com"
    error_message = "The web pages of a backend must reach the bucket."
  }
}

run "callers_of_several_kinds" {
  command = plan

  variables {
    api = {
      authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }
      issuers    = { partner = { issuer = "https://partner.example.com", audience = ["orders"], tenant_claim = "org", tenants = ["initech"] } }
      iam        = { tenants = { acme = ["arn:aws:iam::111122223333:role/backend"] } }
      domain     = { name = "api.example.com", existing = true, base_path = "analysis" }
    }
  }

  assert {
    condition = jsonencode(local.callers) == jsonencode({
      base_path = "analysis"
      domain    = "api.example.com"
      iam       = { tenants = { acme = ["arn:aws:iam::111122223333:role/backend"] } }
      issuers = {
        "https://issuer.example.com"  = { claim = "tenant" }
        "https://partner.example.com" = { claim = "org", tenants = ["initech"] }
      }
      paths = ["partner", "iam"]
    })
    error_message = "The API function must know how each kind of caller names its tenant."
  }
  assert {
    condition     = { for name, issuer in local.issuers : name => issuer.path } == { jwt = "", partner = "partner" }
    error_message = "Each issuer must have its path."
  }
  assert {
    condition     = jsondecode(output.invoke_policy_json).Statement[0].Resource == "arn:execute/*/*/iam/*" && jsondecode(output.invoke_policy_json).Statement[0].Action == "execute-api:Invoke"
    error_message = "The policy must allow the routes for AWS credentials and no other."
  }
}

run "an_audit_trail_of_its_own" {
  command = plan

  variables {
    audit               = { retention_days = 2557 }
    deletion_protection = true
    logs                = { key_arn = "arn:aws:kms:eu-west-1:111122223333:key/logs" }
  }

  override_resource {
    target          = aws_cloudwatch_log_group.audit[0]
    override_during = plan
    values          = { arn = "arn:log:audit" }
  }

  assert {
    condition = jsonencode({ for key in ["kms_key_id", "name", "retention_in_days", "skip_destroy"] : key => aws_cloudwatch_log_group.audit[0][key] }) == jsonencode({
      kms_key_id        = "arn:aws:kms:eu-west-1:111122223333:key/logs"
      name              = "/aws/lambda/orders-audit"
      retention_in_days = 2557
      skip_destroy      = true
    })
    error_message = "The trail must be encrypted like the logs, have its own retention, and outlive a protected stack."
  }
  assert {
    condition     = output.backend_environment.ANALYSIS_JOBS_AUDIT_LOG_GROUP == "/aws/lambda/orders-audit" && output.arns.audit_log == "arn:log:audit"
    error_message = "Backends and operators must learn where the trail is."
  }
  assert {
    condition = alltrue([for policy in values(output.policies) : anytrue([
      for statement in jsondecode(policy).Statement : "${join(" ", sort(statement.Action))} on ${join(" ", statement.Resource)}" == "logs:CreateLogStream logs:PutLogEvents on arn:log:audit:*"
    ])])
    error_message = "Each policy must allow to write the trail, and not to read or delete it."
  }
  assert {
    condition     = local.api_statements.audit_write.resources == ["arn:log:audit:*"] && !contains(keys(local.worker_statements), "audit_write") && !contains(keys(local.environment), "AUDIT_LOG_GROUP")
    error_message = "Of the functions, only the API may write the trail."
  }
}

run "names_of_their_own" {
  command = plan

  variables {
    audit = {}
    lanes = { high = {}, medium = {} }
    names = {
      alarms                  = "team-alarms"
      api                     = "team-http"
      audit_log               = "team/trail"
      bucket                  = "team-bucket"
      canary_queue            = "team-canary"
      dashboard               = "team-dashboard"
      dead_letter_queues      = { medium = "team-dead" }
      event_dead_letter_queue = "team-events-dead"
      functions               = { worker = "team-worker-fn" }
      prompt_table            = "team-prompts"
      queues                  = { medium = "team-queue" }
      roles                   = { sweeper = "team-sweeper-role" }
      sweep_rule              = "team-rule"
      table                   = "team-table"
    }
  }

  assert {
    condition = jsonencode(output.names) == jsonencode({
      alarms                  = "team-alarms"
      api                     = "team-http"
      audit_log               = "team/trail"
      bucket                  = "team-bucket"
      canary_queue            = "team-canary"
      dashboard               = "team-dashboard"
      dead_letter_queues      = { high = "orders-jobs-high-dlq", medium = "team-dead" }
      event_dead_letter_queue = "team-events-dead"
      functions               = { api = "orders-api", events = "orders-events", sweeper = "orders-sweeper", worker = "team-worker-fn" }
      notice_topic            = null
      prompt_table            = "team-prompts"
      queues                  = { high = "orders-jobs-high", medium = "team-queue" }
      roles                   = { api = "orders-api-eu-west-1", events = "orders-events-eu-west-1", sweeper = "team-sweeper-role", worker = "team-worker-fn-eu-west-1" }
      sweep_rule              = "team-rule"
      table                   = "team-table"
    })
    error_message = "A name is not the given one, or another one has changed with it."
  }
  assert {
    condition     = aws_dynamodb_table.prompts.name == "team-prompts" && local.environment.PROMPT_TABLE_NAME == "team-prompts" && aws_cloudwatch_event_rule.sweep.name == "team-rule" && aws_sqs_queue.event_dead_letter[0].name == "team-events-dead"
    error_message = "The resources must have the names."
  }
}

run "names_of_a_long_prefix" {
  command = plan

  variables {
    name = "a-name-of-thirty-one-characters"
  }

  expect_failures = [output.names]
}

run "a_role_name_that_iam_refuses" {
  command = plan

  variables {
    name  = "a-name-of-forty-nine-characters-which-is-too-long"
    names = { bucket = "short" }
  }

  expect_failures = [output.names]
}

run "two_functions_of_one_name" {
  command = plan

  variables {
    names = { functions = { worker = "orders-api" } }
  }

  expect_failures = [output.names]
}

run "a_queue_that_is_retired_is_drained" {
  command = plan

  variables {
    lanes = { medium = { maximum_concurrency = 5 } }
    queue = { fifo = true, retired = ["high", "medium"] }
  }

  assert {
    condition     = output.queue_urls == { medium = "https://sqs/medium.fifo" } && jsondecode(local.environment.QUEUE_URLS) == output.queue_urls && keys(output.arns.queues) == ["medium"]
    error_message = "Nothing may be sent to a retired queue."
  }
  assert {
    condition     = { for key, mapping in aws_lambda_event_source_mapping.lane : key => one(mapping.scaling_config).maximum_concurrency } == { high = 2, medium = 2, "medium.fifo" = 5 }
    error_message = "A retired queue must be read, with few workers."
  }
  assert {
    condition     = local.worker_statements.queue_consume.resources == ["arn:aws:sqs:eu-west-1:111122223333:medium.fifo", "arn:aws:sqs:eu-west-1:111122223333:canary", "arn:aws:sqs:eu-west-1:111122223333:high", "arn:aws:sqs:eu-west-1:111122223333:medium"] && local.queue_arns == ["arn:aws:sqs:eu-west-1:111122223333:medium.fifo"]
    error_message = "The worker must be allowed to read retired queues, and nobody to send to them."
  }
  assert {
    condition     = { for key, guard in terraform_data.queue_guard : key => guard.input.command == "exit 0" } == { high = true, medium = true, "medium.fifo" = false }
    error_message = "Only a retired queue may be deleted."
  }
}

run "an_unprotected_stack_guards_no_queue" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = alltrue([for guard in terraform_data.queue_guard : guard.input.command == "exit 0"]) && !aws_dynamodb_table.prompts.deletion_protection_enabled
    error_message = "A stack without protection must be easy to destroy."
  }
}

run "a_worker_with_too_large_policies_is_refused_in_the_plan" {
  command = plan

  variables {
    worker = { secrets = { for number in range(120) : "SECRET_${number}" => "arn:aws:ssm:eu-west-1:111122223333:parameter/a-key/${number}" } }
  }

  expect_failures = [output.role_names]
}

run "a_stack_without_canaries" {
  command = plan

  variables {
    canary = { enabled = false }
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.canary) == 0 && output.canary_queue_url == null && output.names.canary_queue == null && !contains(keys(local.environment), "CANARY_QUEUE_URL")
    error_message = "Without canaries there is no lane for them."
  }
  assert {
    condition     = local.api_statements.queue_send.resources == local.queue_arns
    error_message = "The roles must have no right to a queue that does not exist."
  }
}

run "versions_that_stay_in_service" {
  command = plan

  variables {
    package = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=", live_versions = { api = "3", worker = "4" } }
  }

  assert {
    condition     = [module.package.live_versions.api, module.package.live_versions.worker] == ["3", "4"] && module.package.live_versions.events == null && module.package.live_versions.sweeper == null
    error_message = "Each function keeps its own version in service."
  }
}

run "a_worker_follows_the_package" {
  command = plan
  variables {
    analyses = ["waiting"]
    api      = null
    package  = { manifest = "../package/tests/manifest.json" }
    queue    = { retired = ["high.fifo"] }
    worker   = { batching_window_s = 2 }
  }

  assert {
    condition     = { for key, mapping in aws_lambda_event_source_mapping.lane : key => mapping.batch_size } == { high = 10, medium = 10, "high.fifo" = 1 }
    error_message = "Jobs of an analysis that mostly waits share an invocation. Lambda delivers ten of them at most. A FIFO queue keeps one."
  }
  assert {
    condition     = { for key, mapping in aws_lambda_event_source_mapping.lane : key => mapping.maximum_batching_window_in_seconds if !endswith(key, ".fifo") } == { high = 2, medium = 2 }
    error_message = "Lambda collects messages of the lanes."
  }
  assert {
    condition     = tostring(local.environment.JOBS_PER_INVOCATION) == "20" && tostring(local.environment.DOCUMENT_MEMORY_MB) == "128" && local.worker_memory_mb == 256
    error_message = "The worker gets the number of jobs, and half of its memory for documents."
  }
}

run "a_stack_keeps_what_it_sets_for_its_worker" {
  command = plan
  variables {
    analyses = ["waiting"]
    api      = null
    package  = { manifest = "../package/tests/manifest.json" }
    worker   = { jobs_per_invocation = 3, memory_mb = 768 }
  }

  assert {
    condition     = local.jobs_per_invocation == 3 && aws_lambda_event_source_mapping.lane["medium"].batch_size == 3 && local.worker_memory_mb == 768
    error_message = "Settings of the stack count more than what the package needs."
  }
}

run "a_fifo_queue_keeps_one_job_for_each_invocation" {
  command = plan
  variables {
    analyses = ["waiting"]
    api      = null
    package  = { manifest = "../package/tests/manifest.json" }
    queue    = { fifo = true }
  }

  assert {
    condition     = local.jobs_per_invocation == 1
    error_message = "The jobs of a subject run in order."
  }
}
