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

run "refuses_a_package_that_is_nowhere" {
  command = plan
  variables {
    package = { sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }
  expect_failures = [var.package]
}

run "refuses_a_package_in_s3_alone_without_a_version" {
  command = plan
  variables {
    package = {
      s3            = { bucket = "acme-packages", key = "empty.zip" }
      sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
  }
  expect_failures = [var.package]
}

run "refuses_six_layers" {
  command = plan
  variables {
    layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1"]
  }
  expect_failures = [var.layers]
}

run "refuses_a_layer_without_its_version" {
  command = plan
  variables {
    layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel"]
  }
  expect_failures = [var.layers]
}

run "refuses_a_signing_profile_for_a_code_signing_configuration" {
  command = plan
  variables {
    code_signing_config_arn = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/acme"
  }
  expect_failures = [var.code_signing_config_arn]
}

run "refuses_an_alias_for_the_key_of_the_environment" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/acme"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_an_alias_for_the_key_of_the_log" {
  command = plan
  variables {
    log_key_arn = "alias/acme"
  }
  expect_failures = [var.log_key_arn]
}

run "refuses_a_role_path_without_slashes" {
  command = plan
  variables {
    role = { path = "teams" }
  }
  expect_failures = [var.role]
}

run "refuses_the_name_of_a_permissions_boundary" {
  command = plan
  variables {
    role = { permissions_boundary_arn = "acme-boundary" }
  }
  expect_failures = [var.role]
}

run "refuses_a_log_class_that_serves_deliveries_only" {
  command = plan
  variables {
    log_class = "DELIVERY"
  }
  expect_failures = [var.log_class]
}

run "refuses_an_unknown_log_format" {
  command = plan
  variables {
    log_format = "TEXT"
  }
  expect_failures = [var.log_format]
}

run "refuses_an_unknown_tracing_mode" {
  command = plan
  variables {
    tracing = "Off"
  }
  expect_failures = [var.tracing]
}

run "accepts_everything_of_your_own" {
  command = plan
  variables {
    code_signing_config_arn = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0a1b2c3d4e5f6a7b8"
    kms_key_arn             = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
    layers                  = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel:1"]
    log_class               = "INFREQUENT_ACCESS"
    log_format              = "Text"
    log_key_arn             = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-0a1b2c3d"
    role                    = { path = "/teams/books/", permissions_boundary_arn = "arn:aws:iam::111122223333:policy/acme/boundary" }
    snap_start              = true
    tracing                 = "Active"
  }
}

run "refuses_a_role_name_longer_than_iam_allows" {
  command = plan
  variables {
    role_name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.role_name]
}

run "refuses_latest_as_the_version_in_service" {
  command = plan
  variables {
    live_version = "$LATEST"
  }
  expect_failures = [var.live_version]
}
