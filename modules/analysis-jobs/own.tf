# What a stack brings along: its key, its bucket, its topics, its ways to log and trace.
locals {
  log_key_arn = var.logs.key_arn != null ? var.logs.key_arn : one(var.encryption[*].key_arn)
  layers      = concat(var.functions.layers, var.tracing.mode == "opentelemetry" ? [var.tracing.layer_arn] : [])
  tracing     = var.tracing.mode == "none" ? "PassThrough" : "Active"

  # Lambda takes a line without a level for INFO. Above INFO it would drop the lines of metrics, and the alarm
  # sweeper-silent would fire always.
  log_level = contains(["WARN", "ERROR", "FATAL"], var.logs.level) ? "INFO" : var.logs.level

  # Overridden by `environment`.
  observability_environment = merge(
    # The wrapper of the layer instruments the function. Application Signals would need further rights, and costs more.
    var.tracing.mode == "opentelemetry" ? { AWS_LAMBDA_EXEC_WRAPPER = "/opt/otel-instrument", OTEL_AWS_APPLICATION_SIGNALS_ENABLED = "false" } : {},
    # The functions' logger filters by level: with Text Lambda does not, and above INFO it must not.
    var.logs.format == "Text" || local.log_level != var.logs.level ? { POWERTOOLS_LOG_LEVEL = lookup({ FATAL = "CRITICAL", TRACE = "DEBUG", WARN = "WARNING" }, var.logs.level, var.logs.level) } : {},
    # The standard variables of OpenTelemetry. Headers and attributes are lists whose values are encoded.
    [for otel in var.tracing.otel[*] : merge(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT = otel.endpoint
        OTEL_SERVICE_NAME           = var.name
        OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
        OTEL_TRACES_SAMPLER_ARG     = tostring(otel.sample_ratio)
      },
      length(otel.headers) == 0 ? {} : { OTEL_EXPORTER_OTLP_HEADERS = join(",", [for name, value in otel.headers : "${name}=${replace(urlencode(value), "+", "%20")}"]) },
      length(otel.resource_attributes) == 0 ? {} : { OTEL_RESOURCE_ATTRIBUTES = join(",", [for name, value in otel.resource_attributes : "${name}=${replace(urlencode(value), "+", "%20")}"]) },
    )]...
  )

  # Read by the API function and the worker. The others make no spans.
  tracing_environment = merge([for otel in var.tracing.otel[*] : merge(
    { OPENTELEMETRY = "true", OPENTELEMETRY_TIMEOUT_S = otel.timeout_s },
    otel.headers_secret_arn == null ? {} : { OTEL_HEADERS_SECRET = trimsuffix(otel.headers_secret_arn, "-??????") },
  )]...)

  # The rights to the secret with the headers for the collector.
  tracing_statements = merge(
    { for arn in compact([try(var.tracing.otel.headers_secret_arn, null)]) : "trace_headers_read" => {
      actions = ["secretsmanager:GetSecretValue", "ssm:GetParameter"], conditions = [], resources = [arn]
    } },
    { for arn in compact([try(var.tracing.otel.headers_key_arn, null)]) : "trace_headers_decrypt" => {
      actions = ["kms:Decrypt"]
      conditions = [{
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for service in ["secretsmanager", "ssm"] : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
      }]
      resources = [arn]
    } },
  )

  bucket = {
    arn    = var.bucket == null ? one(module.artifact_bucket[*].arn) : "arn:${data.aws_partition.current.partition}:s3:::${var.bucket.name}"
    name   = var.bucket == null ? one(module.artifact_bucket[*].name) : var.bucket.name
    prefix = var.bucket == null ? "" : var.bucket.prefix
  }

  # A secret that is named without its random suffix: IAM matches the suffix, and Secrets Manager finds it by the rest.
  secret_arns = { for name, arn in var.worker.secrets : name => trimsuffix(arn, "-??????") }

  notice_topic_arn = var.events.topic == null ? one(aws_sns_topic.notices[*].arn) : var.events.topic.arn
}

# The rights to the stack's own key, through the services that hold the data only.
locals {
  key_services = {
    api     = ["dynamodb", "lambda", "s3", "sqs"]
    events  = concat(["dynamodb", "lambda", "sqs"], var.events.sns || var.events.topic != null ? ["sns"] : [])
    submit  = ["dynamodb", "s3", "sqs"]
    sweeper = ["dynamodb", "lambda", "sqs"]
    worker  = ["dynamodb", "lambda", "s3", "sqs"]
  }

  # DynamoDB uses all of these for the table's key, with the rights of the caller.
  key_statements = { for function, services in local.key_services : function => { for encryption in var.encryption[*] : "key_use" => {
    actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    conditions = [{
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in services : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
    }]
    resources = [encryption.key_arn]
  } } }

  # The services that use the key without a role of ours. It refers to no resource, so that the key's policy can use it.
  key_policy_json = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LogsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "logs.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}" }
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = { ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:*"
        } }
      },
      {
        # Alarms to a topic, and deliveries of a topic or a rule to an encrypted queue.
        Sid       = "MessagesOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}

locals {
  # What the key policy allows to whom, if it was passed.
  key_grants = flatten([for statement in try(jsondecode(var.encryption.key_policy_json).Statement, []) : [
    for action in flatten([try(statement.Action, [])]) : {
      action   = action
      accounts = flatten([try(statement.Principal.AWS, statement.Principal == "*" ? ["*"] : [], [])])
      services = flatten([try(statement.Principal.Service, [])])
    }
  ] if try(statement.Effect, "") == "Allow"])

  # The service of the logs has the Region in its name.
  services_needed = concat(["logs."], var.alarms.enabled && var.alarms.topics == null ? ["cloudwatch."] : [])

  # The services without one of the two rights.
  services_denied = [for service in local.services_needed : service if !alltrue([
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] : anytrue([
      for grant in local.key_grants : can(regex("^${replace(grant.action, "*", ".*")}$", action)) && anytrue([for name in grant.services : startswith(name, service)])
    ])
  ])]
}

moved {
  from = module.artifact_bucket
  to   = module.artifact_bucket[0]
}
