# The policies and the variables for backends of other stacks.
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
  target  = module.alarms
  outputs = { topic_arn = "arn:topic", dashboard_name = "orders-jobs" }
}

variables {
  name              = "orders"
  analyses          = ["rfp_analysis", "valuation.books"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  lanes             = { high = { maximum_concurrency = 4 }, medium = {} }
  package           = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  api               = null
}

run "without_an_api_a_backend_has_everything_that_it_needs" {
  command = plan

  variables {
    documents = { max_bytes = 1000 }
  }

  assert {
    condition = output.backend_environment == {
      ANALYSIS_JOBS_ANALYSES           = "rfp_analysis,valuation.books"
      ANALYSIS_JOBS_BUCKET_NAME        = "orders-artifacts"
      ANALYSIS_JOBS_JOB_RETENTION_DAYS = "30"
      ANALYSIS_JOBS_MAX_DOCUMENT_BYTES = "1000"
      ANALYSIS_JOBS_QUEUE_URLS         = "{\"high\":\"https://sqs/high\",\"medium\":\"https://sqs/medium\"}"
      ANALYSIS_JOBS_SERVICE_NAME       = "orders"
      ANALYSIS_JOBS_TABLE_NAME         = "orders-jobs"
    }
    error_message = "The variables for backends have changed; the library's Backend must read them."
  }
  assert {
    condition = { for need, policy in output.policies : need => { for statement in jsondecode(policy).Statement : statement.Sid => join(" ", concat(sort(statement.Action), ["on"], sort(statement.Resource))) } } == {
      cancel = { JobsWrite = "dynamodb:GetItem dynamodb:UpdateItem on arn:jobs" }
      erase = {
        AuditWrite       = "logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders-worker:*"
        DeadLettersDrain = "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:111122223333:high-dlq arn:aws:sqs:eu-west-1:111122223333:medium-dlq arn:aws:sqs:eu-west-1:111122223333:orders-events-dlq"
        FilesErase       = "s3:DeleteObjectVersion on arn:bucket/jobs/* arn:bucket/uploads/*"
        FilesList        = "s3:ListBucketVersions on arn:bucket"
        InputsRead       = "s3:GetObject on arn:bucket/jobs/*"
        JobsErase        = "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem on arn:jobs"
      }
      export = {
        AuditWrite  = "logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders-worker:*"
        FilesList   = "s3:ListBucketVersions on arn:bucket"
        FilesRead   = "s3:GetObject s3:GetObjectVersion on arn:bucket/jobs/* arn:bucket/uploads/*"
        JobsRead    = "dynamodb:Query on arn:jobs"
        PromptsRead = "dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:111122223333:table/orders-prompts"
      }
      read = {
        FilesRead = "s3:GetObject on arn:bucket/jobs/*"
        JobsRead  = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query on arn:jobs arn:jobs/index/by-*"
      }
      retry = {
        InputsRead = "s3:GetObject on arn:bucket/jobs/*"
        JobsWrite  = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem on arn:jobs"
        QueueSend  = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
      }
      submit = {
        InputsWrite  = "s3:PutObject on arn:bucket/jobs/*"
        JobsRead     = "dynamodb:BatchGetItem dynamodb:GetItem on arn:jobs"
        JobsWrite    = "dynamodb:PutItem on arn:jobs"
        QueueSend    = "sqs:SendMessage on arn:aws:sqs:eu-west-1:111122223333:high arn:aws:sqs:eu-west-1:111122223333:medium"
        UploadsRead  = "s3:GetObject on arn:bucket/uploads/*"
        UploadsWrite = "s3:PutObject on arn:bucket/uploads/*"
      }
      upload = { UploadsWrite = "s3:PutObject on arn:bucket/uploads/*" }
    }
    error_message = "A policy for backends has changed."
  }
  assert {
    condition = alltrue(flatten([for policy in values(output.policies) : [
      for statement in jsondecode(policy).Statement : statement.Condition.StringEquals == { "aws:ResourceAccount" = ["111122223333"] } if startswith(statement.Action[0], "s3:")
    ]]))
    error_message = "A backend must use the bucket of this account only."
  }
  assert {
    condition     = length(output.tenant_policies) == 0 && output.submit_policy_json == output.policies.submit
    error_message = "Without tenants there must be no policies for tenants."
  }
}

run "a_policy_of_a_tenant_reaches_nothing_of_another" {
  command = plan

  variables {
    backend = { tenants = ["acme", "$${aws:PrincipalTag/tenant}"] }
  }

  assert {
    condition = { for need, policy in output.tenant_policies["acme"] : need => join(" ", sort(flatten([
      for statement in jsondecode(policy).Statement : [for resource in statement.Resource : resource if startswith(resource, "arn:bucket")]
      ]))) } == {
      cancel = ""
      erase  = "arn:bucket arn:bucket/jobs/acme/* arn:bucket/jobs/acme/* arn:bucket/uploads/acme/*"
      export = "arn:bucket arn:bucket/jobs/acme/* arn:bucket/uploads/acme/*"
      read   = "arn:bucket/jobs/acme/*"
      retry  = "arn:bucket/jobs/acme/*"
      submit = "arn:bucket/jobs/acme/* arn:bucket/uploads/acme/* arn:bucket/uploads/acme/*"
      upload = "arn:bucket/uploads/acme/*"
    }
    error_message = "A tenant's policy must reach the files of that tenant only."
  }
  assert {
    condition = alltrue(flatten([for policy in values(output.tenant_policies["acme"]) : [
      for statement in jsondecode(policy).Statement : jsonencode(statement.Condition) == jsonencode({
        "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["acme", "acme#*"] }
        "Null"                    = { "dynamodb:LeadingKeys" = ["false"] }
      }) if startswith(statement.Action[0], "dynamodb:") && statement.Sid != "PromptsRead"
    ]]))
    error_message = "A tenant's policy must reach the rows of that tenant only."
  }
  assert {
    condition = alltrue(flatten([for policy in values(output.tenant_policies["acme"]) : [
      for statement in jsondecode(policy).Statement : statement.Condition.StringLike["s3:prefix"] == ["jobs/acme/*", "uploads/acme/*"] if statement.Sid == "FilesList"
    ]]))
    error_message = "A tenant's policy must list the files of that tenant only."
  }
  assert {
    condition     = strcontains(output.tenant_policies["$${aws:PrincipalTag/tenant}"].submit, "arn:bucket/uploads/$${aws:PrincipalTag/tenant}/*") && strcontains(output.tenant_policies["$${aws:PrincipalTag/tenant}"].read, "\"$${aws:PrincipalTag/tenant}#*\"")
    error_message = "A tag of the session must name the tenant."
  }
  assert {
    condition     = output.policies.read == local.backend_policies["*"].read && !strcontains(output.policies.read, "LeadingKeys")
    error_message = "The policies for every tenant must stay as they are."
  }
}
