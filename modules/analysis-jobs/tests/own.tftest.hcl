# A stack that brings its own key, bucket, topics, and ways to log and trace.
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

run "a_stack_with_everything_of_its_own" {
  command = plan

  variables {
    alarms      = { topics = { critical = ["arn:aws:sns:eu-west-1:111122223333:pager"] } }
    bucket      = { name = "acme-shared", prefix = "analysis/" }
    encryption  = { key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d" }
    environment = { OTEL_AWS_APPLICATION_SIGNALS_ENABLED = "true" }
    events      = { topic = { arn = "arn:aws:sns:eu-west-1:111122223333:ended" } }
    functions   = { layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:certificates:1"], vpc = { security_group_ids = ["sg-0a"], subnet_ids = ["subnet-0a"] } }
    lanes       = { high = { provisioned_pollers = { minimum = 3, maximum = 20 } }, medium = {} }
    logs        = { format = "Text", level = "WARN" }
    retention   = { uploads_days = 10 }
    tracing     = { mode = "opentelemetry", layer_arn = "arn:aws:lambda:eu-west-1:615299751070:layer:AWSOpenTelemetryDistroPython:16" }
    worker = {
      secrets    = { DATABASE_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:books/database-??????" }
      statements = { books_read = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::books/*"] } }
    }
  }

  assert {
    condition     = length(module.artifact_bucket) == 0 && output.bucket_name == "acme-shared" && local.environment.BUCKET_NAME == "acme-shared" && local.environment.BUCKET_PREFIX == "analysis/"
    error_message = "The functions must use the existing bucket and its prefix."
  }
  assert {
    condition     = [one(local.worker_statements.artifacts.resources), one(local.api_statements.uploads_write.resources)] == ["arn:aws:s3:::acme-shared/analysis/jobs/*", "arn:aws:s3:::acme-shared/analysis/uploads/*"]
    error_message = "The roles must have rights below the prefix only."
  }
  assert {
    condition = output.bucket_settings.lifecycle_rules == {
      "analysis/jobs/"    = { expire_after_days = 30, noncurrent_after_days = 7 }
      "analysis/uploads/" = { expire_after_days = 10, noncurrent_after_days = 7 }
    }
    error_message = "The outputs must say which lifecycle rules the bucket should have."
  }
  assert {
    condition = { for function, statements in { api = local.api_statements, events = local.event_statements, sweeper = local.sweeper_statements, worker = local.worker_statements } : function => join(" ", concat(
      statements.key_use.resources, [one(statements.key_use.conditions).variable], one(statements.key_use.conditions).values,
      )) } == {
      api     = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d kms:ViaService dynamodb.eu-west-1.amazonaws.com lambda.eu-west-1.amazonaws.com s3.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com"
      events  = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d kms:ViaService dynamodb.eu-west-1.amazonaws.com lambda.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com sns.eu-west-1.amazonaws.com"
      sweeper = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d kms:ViaService dynamodb.eu-west-1.amazonaws.com lambda.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com"
      worker  = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d kms:ViaService dynamodb.eu-west-1.amazonaws.com lambda.eu-west-1.amazonaws.com s3.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com"
    }
    error_message = "Each role must have the rights to the key, through the services that it uses."
  }
  assert {
    condition     = contains([for statement in jsondecode(output.submit_policy_json).Statement : statement.Sid], "KeyUse")
    error_message = "Another stack's backend must have the rights to the key too."
  }
  assert {
    condition     = [aws_sqs_queue.event_dead_letter[0].kms_master_key_id, aws_dynamodb_table.prompts.server_side_encryption[0].kms_key_arn] == [var.encryption.key_arn, var.encryption.key_arn]
    error_message = "Queue and table must be encrypted with the key."
  }
  assert {
    condition     = local.log_key_arn == var.encryption.key_arn && local.tracing == "Active" && join(" ", local.layers) == "arn:aws:lambda:eu-west-1:111122223333:layer:certificates:1 arn:aws:lambda:eu-west-1:615299751070:layer:AWSOpenTelemetryDistroPython:16"
    error_message = "Logs must have the key, and the functions the layer of the tracing."
  }
  assert {
    condition     = [local.environment.AWS_LAMBDA_EXEC_WRAPPER, local.environment.OTEL_AWS_APPLICATION_SIGNALS_ENABLED, local.environment.POWERTOOLS_LOG_LEVEL] == ["/opt/otel-instrument", "true", "WARNING"] && local.event_environment.AWS_LAMBDA_EXEC_WRAPPER == "/opt/otel-instrument"
    error_message = "Every function must start through the layer's wrapper, and environment must win over the defaults."
  }
  assert {
    condition     = local.secret_arns.DATABASE_SECRET == "arn:aws:secretsmanager:eu-west-1:111122223333:secret:books/database" && one(local.worker_statements.secrets_read.resources) == "arn:aws:secretsmanager:eu-west-1:111122223333:secret:books/database-??????"
    error_message = "IAM must match the random suffix, and the code must get the ARN without it."
  }
  assert {
    condition     = local.worker_statements.books_read.resources == tolist(["arn:aws:s3:::books/*"]) && !contains(keys(local.api_statements), "books_read")
    error_message = "Further rights must be those of the worker only."
  }
  assert {
    condition     = one(aws_lambda_event_source_mapping.lane["high"].provisioned_poller_config).minimum_pollers == 3 && one(aws_lambda_event_source_mapping.lane["high"].provisioned_poller_config).maximum_pollers == 20 && length(aws_lambda_event_source_mapping.lane["medium"].provisioned_poller_config) == 0
    error_message = "Provisioned pollers must be those of their own lane."
  }
  assert {
    condition     = output.notice_topic_arn == "arn:aws:sns:eu-west-1:111122223333:ended" && length(aws_sns_topic.notices) == 0 && local.event_environment.NOTICE_TOPIC_ARN == output.notice_topic_arn && local.event_statements.notices_publish.resources == [output.notice_topic_arn]
    error_message = "Notices must go to the existing topic."
  }
  assert {
    condition     = length(jsonencode(values(local.key_statements.worker))) < 700
    error_message = "The rights to the key must not use up the worker's policies."
  }
}

run "traces_by_the_librarys_own_opentelemetry" {
  command = plan

  variables {
    environment = { OTEL_EXPORTER_OTLP_COMPRESSION = "gzip", OTEL_TRACES_SAMPLER_ARG = "0.5" }
    tracing = { otel = {
      endpoint            = "https://otel.example.com"
      headers             = { X-Scope-OrgID = "acme, inc" }
      headers_key_arn     = "arn:aws:kms:eu-west-1:111122223333:key/0a1b"
      headers_secret_arn  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector-??????"
      resource_attributes = { "deployment.environment.name" = "prod", team = "claims + more" }
      sample_ratio        = 0.1
    } }
  }

  assert {
    condition = { for name, value in local.environment : name => value if startswith(name, "OTEL_") } == {
      OTEL_EXPORTER_OTLP_COMPRESSION = "gzip"
      OTEL_EXPORTER_OTLP_ENDPOINT    = "https://otel.example.com"
      OTEL_EXPORTER_OTLP_HEADERS     = "X-Scope-OrgID=acme%2C%20inc"
      OTEL_RESOURCE_ATTRIBUTES       = "deployment.environment.name=prod,team=claims%20%2B%20more"
      OTEL_SERVICE_NAME              = "orders"
      OTEL_TRACES_SAMPLER            = "parentbased_traceidratio"
      OTEL_TRACES_SAMPLER_ARG        = "0.5"
    }
    error_message = "The functions must get the standard variables, and environment must win."
  }
  assert {
    condition     = { for name, value in local.tracing_environment : name => tostring(value) } == { OPENTELEMETRY = "true", OPENTELEMETRY_TIMEOUT_S = "2", OTEL_HEADERS_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector" }
    error_message = "The functions that make spans must get the setting, and the ARN without the random suffix."
  }
  assert {
    condition     = !contains(keys(local.event_environment), "OPENTELEMETRY") && !contains(keys(local.environment), "OPENTELEMETRY")
    error_message = "Only the API function and the worker make spans."
  }
  assert {
    condition = alltrue([for statements in [local.api_statements, local.worker_statements] :
      one(statements.trace_headers_read.resources) == var.tracing.otel.headers_secret_arn && one(statements.trace_headers_decrypt.resources) == var.tracing.otel.headers_key_arn && one(statements.trace_headers_decrypt.conditions).variable == "kms:ViaService"
    ]) && !contains(keys(local.sweeper_statements), "trace_headers_read") && !contains(keys(local.event_statements), "trace_headers_read")
    error_message = "The API function and the worker must have the rights to the headers, and to nothing else."
  }
  assert {
    condition     = local.tracing == "PassThrough" && length(local.layers) == 0
    error_message = "It needs neither X-Ray nor a layer."
  }
}

run "a_stack_without_traces" {
  command = plan

  assert {
    condition     = length(local.tracing_environment) == 0 && length(local.tracing_statements) == 0 && length([for name in keys(local.environment) : name if startswith(name, "OTEL_")]) == 0
    error_message = "Without the setting nothing must be traced."
  }
}

run "a_key_of_another_region" {
  command = plan

  variables {
    encryption = { key_arn = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d" }
  }

  expect_failures = [output.encryption_key_arn]
}

run "the_key_policy_of_the_outputs_is_enough" {
  command = plan

  variables {
    encryption = {
      key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      # As the output has them, with the account's own statement.
      key_policy_json = jsonencode({
        Statement = [
          { Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" },
          { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"], Resource = "*" },
          { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"], Resource = "*" },
        ]
      })
    }
  }

  assert {
    condition = [for statement in jsondecode(output.key_policy_json).Statement : join(" ", concat(flatten([statement.Principal.Service]), statement.Action))] == [
      for statement in slice(jsondecode(var.encryption.key_policy_json).Statement, 1, 3) : join(" ", concat(flatten([statement.Principal.Service]), statement.Action))
    ]
    error_message = "The output must have the statements that the check accepts."
  }
}

run "models_of_regions_without_this_one" {
  command = plan

  variables {
    model_access = { regions = ["eu-central-1"] }
  }

  expect_failures = [output.role_names]
}

run "refuses_a_key_without_rights_for_the_logs" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
  }
  expect_failures = [output.encryption_key_arn]
}

run "refuses_a_key_without_rights_for_the_alarms" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
  }
  expect_failures = [output.encryption_key_arn]
}

run "refuses_a_key_that_the_logs_may_only_decrypt_with" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*"], Resource = "*" }] })
    }
  }
  expect_failures = [output.encryption_key_arn]
}

run "refuses_a_key_that_denies_the_alarms" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Deny", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
  }
  expect_failures = [output.encryption_key_arn]
}

run "refuses_a_key_that_no_role_may_use" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
  }
  expect_failures = [output.encryption_key_arn]
}

run "admits_a_key_with_every_right" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
  }
}

run "admits_a_key_without_rights_for_alarms_that_go_elsewhere" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::111122223333:root" }, Action = "kms:*", Resource = "*" }, { Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }] })
    }
    alarms = { topics = { critical = ["arn:aws:sns:eu-west-1:111122223333:pager"] } }
  }
}

run "admits_a_key_that_is_open_to_the_account" {
  command = plan
  variables {
    encryption = {
      key_arn         = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
      key_policy_json = jsonencode({ Statement = [{ Effect = "Allow", Principal = { Service = "logs.eu-west-1.amazonaws.com" }, Action = ["kms:Decrypt*", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Allow", Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*" }, { Effect = "Allow", Principal = "*", Action = ["kms:Decrypt"], Resource = "*" }] })
    }
  }
}

run "a_higher_log_level_keeps_the_metrics" {
  command = plan

  variables {
    logs = { level = "ERROR" }
  }

  assert {
    condition     = local.log_level == "INFO" && local.environment.POWERTOOLS_LOG_LEVEL == "ERROR"
    error_message = "Above INFO Lambda drops the lines of metrics: the functions' logger must filter instead."
  }
}
