locals {
  # Where the code comes from, for messages: the local file if there is one.
  package_source    = var.package.path != null ? var.package.path : try("s3://${var.package.s3.bucket}/${var.package.s3.key}", "")
  package_arguments = var.package.path != null ? "--zip-file fileb://${var.package.path}" : try("--s3-bucket ${var.package.s3.bucket} --s3-key ${var.package.s3.key}", "")
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:It would hold failed asynchronous invocations only. The API is invoked synchronously, the worker's messages have the queue's dead-letter queue, the events function has a destination for failures, and the sweeper does missed work in its next minute.
  function_name                  = var.name
  architectures                  = [var.architecture]
  code_signing_config_arn        = var.code_signing_config_arn
  filename                       = var.package.s3 == null ? var.package.path : null
  handler                        = var.handler
  kms_key_arn                    = var.kms_key_arn
  layers                         = var.layers
  memory_size                    = var.memory_mb
  publish                        = true
  reserved_concurrent_executions = var.reserved_concurrency
  role                           = aws_iam_role.this.arn
  runtime                        = "python3.13"
  s3_bucket                      = one(var.package.s3[*].bucket)
  s3_key                         = one(var.package.s3[*].key)
  s3_object_version              = one(var.package.s3[*].object_version)
  source_code_hash               = var.package.sha256_base64
  tags                           = var.tags
  timeout                        = var.timeout_s

  dynamic "environment" {
    for_each = length(var.environment) > 0 ? [var.environment] : []

    content {
      variables = environment.value
    }
  }

  logging_config {
    # Lambda accepts levels for JSON only.
    application_log_level = var.log_format == "JSON" ? var.log_level : null
    log_format            = var.log_format
    log_group             = aws_cloudwatch_log_group.this.name
    # At this level Lambda logs the duration and the memory of each invocation.
    system_log_level = var.log_format == "JSON" ? "INFO" : null
  }

  dynamic "snap_start" {
    for_each = var.snap_start ? ["PublishedVersions"] : []

    content {
      apply_on = snap_start.value
    }
  }

  # Always set: without the block the provider would keep the last mode.
  tracing_config {
    mode = var.tracing
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]

    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  # The first event can invoke the function as soon as it exists. The role must be complete by then.
  depends_on = [aws_iam_role_policy.runtime, aws_iam_role_policy.statements]

  lifecycle {
    precondition {
      # Lambda measures the variables as JSON, in bytes. In base64 three bytes are four characters.
      condition     = length(base64encode(jsonencode(var.environment))) * 3 / 4 <= 4096
      error_message = "The environment of ${var.name} has about ${ceil(length(base64encode(jsonencode(var.environment))) * 3 / 4)} bytes; Lambda allows 4096: shorten or remove variables. Large values belong into a secret or a parameter that the code reads."
    }

    precondition {
      condition     = var.package.path == null ? true : try(filebase64sha256(var.package.path), "") == var.package.sha256_base64
      error_message = "${coalesce(var.package.path, "The package")} is missing or does not have the SHA-256 of package.sha256_base64: build the package again and take both values from its manifest."
    }
  }
}

# Event sources and the API call the alias. It keeps pointing at the published version while the next one is created.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version in service."
  function_name    = aws_lambda_function.this.function_name
  function_version = coalesce(var.live_version, aws_lambda_function.this.version)
}

# The newest version. A deployment tries it before it moves `live`.
resource "aws_lambda_alias" "candidate" {
  name             = "candidate"
  description      = "The newest version, which a deployment tries before callers reach it."
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

# Lambda counts how often a function was invoked in one chain of messages, and stops the chain after about 16 invocations.
# A function that sends messages to its own queue on purpose needs `Allow`. The absence of this resource is `Terminate`.
resource "aws_lambda_function_recursion_config" "this" {
  count = var.recursive_loop == "Allow" ? 1 : 0

  function_name  = aws_lambda_function.this.function_name
  recursive_loop = var.recursive_loop
}

check "deployed_code" {
  assert {
    # While a plan changes the code, the version is unknown, and so is the condition: the old code is then no fault.
    condition     = aws_lambda_function.this.version == "" || aws_lambda_function.this.code_sha256 == var.package.sha256_base64
    error_message = "${var.name} runs code with the SHA-256 ${aws_lambda_function.this.code_sha256}, which is not the code of ${local.package_source}: it was deployed outside Terraform, or the object in S3 is another file. Restore the package with `aws lambda update-function-code --function-name ${var.name} ${local.package_arguments} --publish`, then apply."
  }
}
