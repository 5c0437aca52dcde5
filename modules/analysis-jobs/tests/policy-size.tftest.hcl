# The worker's policies with the longest names: what `own_policy_characters` leaves for them must be enough.
mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { dns_suffix = "amazonaws.com.cn", partition = "aws-us-gov" }
  }

  mock_data "aws_region" {
    defaults = { id = "ap-southeast-5" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/a-name-of-25-characters-x-prompts" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws-us-gov:sns:ap-southeast-5:111122223333:a-name-of-25-characters-x-notices" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:a-name-of-25-characters-x-events-dlq", id = "https://sqs/events-dlq", url = "https://sqs/events-dlq" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws-us-gov:events:ap-southeast-5:111122223333:rule/a-name-of-25-characters-x-sweep" }
  }
}

override_module {
  target = module.queue["high"]
  outputs = {
    arn              = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:a-name-of-25-characters-x-jobs-high.fifo"
    dead_letter_name = "dlq"
    dead_letter_url  = "https://sqs/dlq"
    name             = "jobs"
    url              = "https://sqs/jobs"
  }
}

override_module {
  target = module.queue["medium"]
  outputs = {
    arn              = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:a-name-of-25-characters-x-jobs-medium.fifo"
    dead_letter_name = "dlq"
    dead_letter_url  = "https://sqs/dlq"
    name             = "jobs"
    url              = "https://sqs/jobs"
  }
}

override_module {
  target = module.queue["low"]
  outputs = {
    arn              = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:a-name-of-25-characters-x-jobs-low.fifo"
    dead_letter_name = "dlq"
    dead_letter_url  = "https://sqs/dlq"
    name             = "jobs"
    url              = "https://sqs/jobs"
  }
}

override_module {
  target  = module.canary_queue
  outputs = { arn = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:a-name-of-25-characters-x-canary", url = "https://sqs/canary" }
}

override_module {
  target = module.job_table
  outputs = {
    arn        = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/a-name-of-25-characters-x-jobs"
    index_arns = { by-client = "x", due = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/a-name-of-25-characters-x-jobs/index/due", waiting = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/a-name-of-25-characters-x-jobs/index/waiting" }
    name       = "a-name-of-25-characters-x-jobs"
    stream_arn = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/a-name-of-25-characters-x-jobs/stream/2026-11-28T00:00:00.000"
  }
}

override_module {
  target  = module.artifact_bucket
  outputs = { arn = "arn:aws-us-gov:s3:::a-name-of-25-characters-x-artifacts-111122223333-ap-southeast-5", name = "artifacts" }
}

override_module {
  target  = module.api_function
  outputs = { name = "api_function", alias_arn = "arn:aws-us-gov:lambda:ap-southeast-5:111122223333:function:api_function:live", alias_name = "live", alias_invoke_arn = "arn:invoke", role_name = "role" }
}

override_module {
  target  = module.worker
  outputs = { name = "worker", alias_arn = "arn:aws-us-gov:lambda:ap-southeast-5:111122223333:function:worker:live", candidate_arn = "arn:aws-us-gov:lambda:ap-southeast-5:111122223333:function:worker:candidate", alias_name = "live", alias_invoke_arn = "arn:invoke", role_name = "role" }
}

override_module {
  target  = module.sweeper
  outputs = { name = "sweeper", alias_arn = "arn:aws-us-gov:lambda:ap-southeast-5:111122223333:function:sweeper:live", alias_name = "live", alias_invoke_arn = "arn:invoke", role_name = "role" }
}

override_module {
  target  = module.events
  outputs = { name = "events", alias_arn = "arn:aws-us-gov:lambda:ap-southeast-5:111122223333:function:events:live", alias_name = "live", alias_invoke_arn = "arn:invoke", role_name = "role" }
}

override_module {
  target  = module.api
  outputs = { arn = "arn:api", id = "a1b2c3", url = "https://a1b2c3" }
}

override_module {
  target  = module.alarms
  outputs = { topic_arn = "arn:topic", dashboard_name = "jobs" }
}

variables {
  name              = "a-name-of-25-characters-x"
  analyses          = ["rfp_analysis"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*", "amazon.nova-lite-v1:0"]
  documents         = { ocr = "textract" }
  lanes             = { high = {}, low = {}, medium = {} }
  marketplace       = { product_ids = ["prod-mxcfnwvpd6kb4"] }
  package           = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  api               = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  worker = {
    secret_key_arns = ["arn:aws-us-gov:kms:ap-southeast-5:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"]
    secrets         = { MODEL_KEY_ARN = "arn:aws-us-gov:ssm:ap-southeast-5:111122223333:parameter/key" }
  }
}

run "the_worker_with_the_longest_names" {
  command = plan

  assert {
    # The function module adds at most 1200 characters, see its tests.
    condition = 1200 + length(jsonencode({
      Version = "2012-10-17"
      Statement = [for name, statement in local.worker_statements : {
        Sid       = name
        Effect    = "Allow"
        Action    = statement.actions
        Resource  = statement.resources
        Condition = { for condition in try(statement.conditions, []) : condition.test => { (condition.variable) = condition.values } }
      }]
    })) <= local.worker_policy_characters
    error_message = "own_policy_characters is too small for the statements about the module's own resources: raise it."
  }

  assert {
    condition     = local.worker_policy_characters < local.max_inline_policy_characters
    error_message = "A stack with two models, a secret and a key must fit."
  }
}

run "the_worker_with_long_names_of_its_own" {
  command = plan

  variables {
    names = {
      canary_queue = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn3"
      prompt_table = "ptttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
      queues       = { high = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn0", medium = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn1", low = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn2" }
      table        = "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
    }
  }

  override_module {
    target  = module.canary_queue
    outputs = { arn = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn3", url = "https://sqs/canary" }
  }

  override_module {
    target = module.queue["high"]
    outputs = {
      arn             = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn0"
      dead_letter_url = "https://sqs/dlq"
      url             = "https://sqs/jobs"
    }
  }

  override_module {
    target = module.queue["medium"]
    outputs = {
      arn             = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn1"
      dead_letter_url = "https://sqs/dlq"
      url             = "https://sqs/jobs"
    }
  }

  override_module {
    target = module.queue["low"]
    outputs = {
      arn             = "arn:aws-us-gov:sqs:ap-southeast-5:111122223333:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn2"
      dead_letter_url = "https://sqs/dlq"
      url             = "https://sqs/jobs"
    }
  }

  override_module {
    target = module.job_table
    outputs = {
      arn        = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
      index_arns = { by-client = "x", due = "arn:x", waiting = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt/index/waiting" }
      name       = "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
      stream_arn = "arn:aws-us-gov:dynamodb:ap-southeast-5:111122223333:table/ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt/stream/2026-11-28T00:00:00.000"
    }
  }

  assert {
    condition = 1200 + length(jsonencode({
      Version = "2012-10-17"
      Statement = [for name, statement in local.worker_statements : {
        Sid       = name
        Effect    = "Allow"
        Action    = statement.actions
        Resource  = statement.resources
        Condition = { for condition in try(statement.conditions, []) : condition.test => { (condition.variable) = condition.values } }
      }]
    })) <= local.worker_policy_characters
    error_message = "own_policy_characters must grow with the names."
  }
}
