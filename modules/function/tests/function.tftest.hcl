# The real provider, for its own checks. With overrides and plans only, it makes no request.
provider "aws" {
  access_key                  = "test"
  region                      = "eu-west-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "china"
  access_key                  = "test"
  region                      = "cn-north-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

override_resource {
  target          = aws_cloudwatch_log_group.this
  override_during = plan
  values          = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/rfp-worker" }
}

override_resource {
  target          = aws_iam_role.this
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/rfp-worker-eu-west-1" }
}

override_resource {
  target          = aws_lambda_function.this
  override_during = plan
  values = {
    arn         = "arn:aws:lambda:eu-west-1:111122223333:function:rfp-worker"
    code_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    version     = "7"
  }
}

variables {
  handler   = "worker.handler"
  memory_mb = 1024
  name      = "rfp-worker"
  # A plan needs only a file and its hash.
  package   = { path = "tests/empty.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  tags      = { system = "rfp" }
  timeout_s = 900
}

run "a_version_that_stays_in_service" {
  command = plan

  variables {
    live_version = "5"
  }

  assert {
    condition     = [aws_lambda_alias.live.function_version, aws_lambda_alias.candidate.function_version, output.version] == ["5", "7", "7"]
    error_message = "The new version is the candidate, and the old one stays in service."
  }
}

run "a_function_with_its_defaults" {
  command = plan

  assert {
    condition     = [aws_lambda_function.this.runtime, one(aws_lambda_function.this.architectures), aws_lambda_function.this.handler] == ["python3.13", "arm64", "worker.handler"]
    error_message = "It runs Python 3.13 on arm64."
  }

  assert {
    condition     = [aws_lambda_function.this.memory_size, aws_lambda_function.this.timeout] == [1024, 900] && aws_lambda_function.this.reserved_concurrent_executions == null
    error_message = "Memory and time are those set, and nothing is reserved."
  }

  assert {
    condition     = [aws_lambda_function.this.filename, aws_lambda_function.this.source_code_hash] == [var.package.path, var.package.sha256_base64]
    error_message = "The code is the package's, and changes with its hash."
  }

  assert {
    condition     = aws_lambda_function.this.publish && [output.alias_name, aws_lambda_alias.live.function_version, output.version] == ["live", "7", "7"]
    error_message = "The alias points to the published version."
  }

  assert {
    condition     = [for config in aws_lambda_function.this.logging_config : "${config.log_format} ${config.log_group} ${config.application_log_level} ${config.system_log_level}"] == ["JSON /aws/lambda/rfp-worker INFO INFO"]
    error_message = "It logs JSON into its own group, with Lambda's report of every invocation."
  }

  assert {
    condition     = [output.log_group_name, aws_cloudwatch_log_group.this.retention_in_days] == ["/aws/lambda/rfp-worker", 30]
    error_message = "Its log is kept for 30 days."
  }

  assert {
    condition     = length(aws_lambda_function_recursion_config.this) == 0
    error_message = "Lambda stops a loop of the function, its default."
  }

  assert {
    condition     = output.role_name == "rfp-worker-eu-west-1"
    error_message = "Roles are global: the Region is part of the name."
  }

  assert {
    condition     = length(aws_lambda_function.this.environment) + length(aws_lambda_function.this.vpc_config) + length(aws_iam_role_policy.statements) == 0
    error_message = "No environment, no VPC, no right beyond its own log."
  }

  assert {
    condition     = alltrue([for resource in [aws_lambda_function.this, aws_iam_role.this, aws_cloudwatch_log_group.this] : resource.tags.system == "rfp"])
    error_message = "Every resource with tags must have the given tags."
  }
}

run "everything_set" {
  command = plan

  providers = { aws = aws.china }

  variables {
    architecture       = "x86_64"
    environment        = { TABLE_NAME = "rfp-jobs" }
    log_level          = "DEBUG"
    log_retention_days = 7
    package = {
      path          = "tests/empty.zip"
      s3            = { bucket = "acme-packages", key = "proposals/empty.zip", object_version = "v1" }
      sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
    recursive_loop       = "Allow"
    reserved_concurrency = 5
    statements = {
      due_read = {
        actions   = ["dynamodb:Query"]
        resources = ["arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/due"]
      }
      uploads_write = {
        actions = ["s3:PutObject"]
        conditions = [
          { test = "StringEquals", variable = "s3:x-amz-acl", values = ["private"] },
          { test = "StringEquals", variable = "s3:x-amz-server-side-encryption", values = ["AES256", "aws:kms"] },
          { test = "Bool", variable = "aws:SecureTransport", values = ["true"] },
        ]
        resources = ["arn:aws:s3:::rfp-artifacts/uploads/*"]
      }
    }
    vpc = { security_group_ids = ["sg-0a"], subnet_ids = ["subnet-0a", "subnet-0b"] }
  }

  assert {
    condition     = [one(aws_lambda_function.this.architectures), aws_lambda_function.this.reserved_concurrent_executions] == ["x86_64", 5]
    error_message = "Processor and concurrency are those set."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ TABLE_NAME = "rfp-jobs" })
    error_message = "The environment is the one given."
  }

  assert {
    condition     = [aws_lambda_function.this.logging_config[0].application_log_level, aws_cloudwatch_log_group.this.retention_in_days] == ["DEBUG", 7]
    error_message = "The log must have the given level and retention."
  }

  assert {
    condition     = [aws_lambda_function.this.vpc_config[0].security_group_ids, aws_lambda_function.this.vpc_config[0].subnet_ids] == [toset(["sg-0a"]), toset(["subnet-0a", "subnet-0b"])]
    error_message = "It runs in the VPC."
  }

  assert {
    condition     = length(local.runtime_policy) <= 1200
    error_message = "analysis-jobs counts 1200 characters for the rights that every function needs."
  }

  assert {
    condition     = [for config in aws_lambda_function_recursion_config.this : "${config.function_name} ${config.recursive_loop}"] == ["rfp-worker Allow"]
    error_message = "Lambda must not stop the function's chains of messages."
  }

  assert {
    condition     = output.role_name == "rfp-worker-cn-north-1"
    error_message = "Each Region has a role of its own."
  }

  assert {
    condition = (
      aws_lambda_function.this.filename == null &&
      aws_lambda_function.this.s3_bucket == "acme-packages" &&
      aws_lambda_function.this.s3_key == "proposals/empty.zip" &&
      aws_lambda_function.this.s3_object_version == "v1" &&
      aws_lambda_function.this.source_code_hash == var.package.sha256_base64
    )
    error_message = "The code comes from the bucket, and changes with its hash."
  }

  assert {
    condition     = toset([aws_iam_role_policy.runtime.role, aws_iam_role_policy.statements[0].role]) == toset([output.role_name]) && aws_lambda_function.this.role == aws_iam_role.this.arn
    error_message = "The rights are those of the function's own role."
  }
}

run "sees_code_that_is_not_the_package" {
  command = plan

  override_resource {
    target          = aws_lambda_function.this
    override_during = plan
    values          = { code_sha256 = "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=" }
  }

  expect_failures = [check.deployed_code]
}

run "refuses_an_environment_over_4_kb" {
  command = plan

  variables {
    # 4,100 bytes in 2,050 characters.
    environment = { LONG = join("", [for number in range(205) : "äääääääääö"]) }
  }

  expect_failures = [aws_lambda_function.this]
}

run "accepts_an_environment_just_below_4_kb" {
  command = plan

  variables {
    environment = { LONG = join("", [for number in range(407) : "aaaaaaaaaa"]) }
  }

  assert {
    condition     = length(aws_lambda_function.this.environment[0].variables.LONG) == 4070
    error_message = "Lambda accepts it."
  }
}

run "refuses_inline_policies_over_10240_characters" {
  command = plan

  variables {
    statements = { many = { actions = ["s3:GetObject"], resources = [for number in range(220) : "arn:aws:s3:::a-bucket/a-folder-with-a-name/${number}"] } }
  }

  expect_failures = [aws_iam_role_policy.statements]
}

run "refuses_a_package_that_is_missing" {
  command = plan

  variables {
    package = { path = "absent.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }

  expect_failures = [aws_lambda_function.this]
}

run "refuses_a_package_with_another_hash" {
  command = plan

  variables {
    package = { path = "variables.tf", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }

  expect_failures = [aws_lambda_function.this]
}

run "with_everything_of_your_own" {
  command = plan

  variables {
    code_signing_config_arn = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0a1b2c3d4e5f6a7b8"
    kms_key_arn             = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
    layers                  = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel:1"]
    log_class               = "INFREQUENT_ACCESS"
    log_format              = "Text"
    log_key_arn             = "arn:aws:kms:eu-west-1:111122223333:key/1b2c3d4e"
    package = {
      s3            = { bucket = "acme-packages", key = "proposals/empty.zip", object_version = "v1" }
      sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
    role       = { path = "/teams/", permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary" }
    role_name  = "team-worker"
    snap_start = true
    tracing    = "Active"
  }

  assert {
    condition     = [aws_lambda_function.this.code_signing_config_arn, aws_lambda_function.this.kms_key_arn, one(aws_lambda_function.this.layers)] == [var.code_signing_config_arn, var.kms_key_arn, one(var.layers)]
    error_message = "Code signing, the key of the variables and the layers must be those given."
  }
  assert {
    condition     = aws_lambda_function.this.filename == null && aws_lambda_function.this.s3_object_version == "v1" && aws_lambda_function.this.source_code_hash == var.package.sha256_base64
    error_message = "A package in S3 alone must be pinned by its version and its hash."
  }
  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_format == "Text" && aws_lambda_function.this.logging_config[0].application_log_level == null
    error_message = "Lambda refuses a level with the format Text."
  }
  assert {
    condition     = [aws_cloudwatch_log_group.this.log_group_class, aws_cloudwatch_log_group.this.kms_key_id] == ["INFREQUENT_ACCESS", var.log_key_arn]
    error_message = "Class and key of the log must be those given."
  }
  assert {
    condition     = [aws_iam_role.this.name, aws_iam_role.this.path, aws_iam_role.this.permissions_boundary] == ["team-worker", "/teams/", "arn:aws:iam::111122223333:policy/boundary"]
    error_message = "The role must have the given name, path and boundary."
  }
  assert {
    condition     = aws_lambda_function.this.snap_start[0].apply_on == "PublishedVersions" && aws_lambda_function.this.publish
    error_message = "Only published versions have snapshots."
  }
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active" && [for statement in jsondecode(local.runtime_policy).Statement : statement.Sid] == ["OwnLogs", "Traces"]
    error_message = "A traced function must be allowed to send its traces."
  }
  assert {
    # own.tf of analysis-jobs counts them.
    condition     = length(jsonencode(local.traces)) <= 200
    error_message = "analysis-jobs counts 200 characters for the rights to send traces."
  }
}
