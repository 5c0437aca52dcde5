# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {
  # The `check` of the code is evaluated in a plan too.
  mock_resource "aws_lambda_function" {
    override_during = plan
    defaults        = { code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }
}

variables {
  handler   = "worker.handler"
  memory_mb = 1024
  name      = "rfp-worker"
  package   = { path = "tests/empty.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  timeout_s = 900
}

run "refuses_a_processor_that_lambda_does_not_have" {
  command = plan
  variables {
    architecture = "amd64"
  }
  expect_failures = [var.architecture]
}

run "refuses_an_environment_variable_that_begins_with_an_underscore" {
  command = plan
  variables {
    environment = { _HANDLER = "x" }
  }
  expect_failures = [var.environment]
}

run "refuses_an_environment_variable_that_lambda_sets" {
  command = plan
  variables {
    environment = { AWS_REGION = "eu-west-1" }
  }
  expect_failures = [var.environment]
}

run "refuses_a_handler_without_a_function" {
  command = plan
  variables {
    handler = "worker"
  }
  expect_failures = [var.handler]
}

run "refuses_a_log_level_in_python" {
  command = plan
  variables {
    log_level = "WARNING"
  }
  expect_failures = [var.log_level]
}

run "refuses_a_recursive_loop_that_lambda_does_not_have" {
  command = plan
  variables {
    recursive_loop = "Deny"
  }
  expect_failures = [var.recursive_loop]
}

run "refuses_a_retention_that_cloudwatch_does_not_have" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

run "refuses_too_little_memory" {
  command = plan
  variables {
    memory_mb = 127
  }
  expect_failures = [var.memory_mb]
}

run "refuses_too_much_memory" {
  command = plan
  variables {
    memory_mb = 10241
  }
  expect_failures = [var.memory_mb]
}

run "refuses_an_empty_name" {
  command = plan
  variables {
    name = ""
  }
  expect_failures = [var.name]
}

run "refuses_a_name_longer_than_lambda_allows" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.name]
}

run "refuses_a_hash_in_hexadecimal" {
  command = plan
  variables {
    package = { path = "tests/empty.zip", sha256_base64 = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f" }
  }
  expect_failures = [var.package]
}

run "refuses_a_negative_concurrency" {
  command = plan
  variables {
    reserved_concurrency = -1
  }
  expect_failures = [var.reserved_concurrency]
}

run "refuses_a_statement_named_in_camel_case" {
  command = plan
  variables {
    statements = { queueSend = { actions = ["sqs:SendMessage"], resources = ["*"] } }
  }
  expect_failures = [var.statements]
}

run "refuses_a_statement_without_an_action" {
  command = plan
  variables {
    statements = { queue_send = { actions = [], resources = ["*"] } }
  }
  expect_failures = [var.statements]
}

run "refuses_a_statement_without_a_resource" {
  command = plan
  variables {
    statements = { queue_send = { actions = ["sqs:SendMessage"], resources = [] } }
  }
  expect_failures = [var.statements]
}

run "refuses_every_action" {
  command = plan
  variables {
    statements = { queue_send = { actions = ["*"], resources = ["*"] } }
  }
  expect_failures = [var.statements]
}

run "refuses_every_action_of_a_service" {
  command = plan
  variables {
    statements = { queue_send = { actions = ["sqs:*"], resources = ["*"] } }
  }
  expect_failures = [var.statements]
}

run "refuses_a_timeout_of_zero" {
  command = plan
  variables {
    timeout_s = 0
  }
  expect_failures = [var.timeout_s]
}

run "refuses_a_timeout_beyond_lambdas_limit" {
  command = plan
  variables {
    timeout_s = 901
  }
  expect_failures = [var.timeout_s]
}

run "refuses_a_vpc_without_a_subnet" {
  command = plan
  variables {
    vpc = { security_group_ids = ["sg-0a"], subnet_ids = [] }
  }
  expect_failures = [var.vpc]
}

run "refuses_a_vpc_without_a_security_group" {
  command = plan
  variables {
    vpc = { security_group_ids = [], subnet_ids = ["subnet-0a"] }
  }
  expect_failures = [var.vpc]
}

run "accepts_the_least_of_everything" {
  command = plan
  variables {
    log_retention_days   = 0
    memory_mb            = 128
    name                 = "a"
    reserved_concurrency = 0
    timeout_s            = 1
  }
}

run "accepts_the_most_of_everything" {
  command = plan
  variables {
    architecture       = "x86_64"
    environment        = { AWS_ENDPOINT_URL_BEDROCK_RUNTIME = "http://127.0.0.1:1", A1 = "" }
    handler            = "app/worker.handler"
    log_retention_days = 3653
    memory_mb          = 10240
    name               = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    statements         = { queue_send = { actions = ["dynamodb:BatchGet*", "sqs:SendMessage"], resources = ["*"] } }
  }
}

run "refuses_a_url_for_a_bucket" {
  command = plan
  variables {
    package = {
      path          = "tests/empty.zip"
      s3            = { bucket = "s3://acme-packages", key = "empty.zip" }
      sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
  }
  expect_failures = [var.package]
}

run "refuses_a_role_name_longer_than_iam_allows" {
  command = plan
  variables {
    role_name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.role_name]
}
