variable "audit" {
  description = <<-EOT
    A log group of its own for the audit trail, with its own retention: who submitted, read, downloaded, cancelled, erased
    or exported which job, and who changed a prompt. `retention_days` is one of the numbers that CloudWatch Logs accepts, 0
    for ever. `key_arn` is a KMS key for it (default: that of the logs). Each request to the API then waits for one request
    to CloudWatch Logs. Null, the default, writes the trail into the logs of the functions, with their retention. With
    `deletion_protection`, a destroy leaves the log group.
  EOT
  type = object({
    key_arn        = optional(string)
    retention_days = optional(number, 365)
  })
  default = null

  validation {
    condition = var.audit == null ? true : contains(
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.audit.retention_days
    )
    error_message = "audit.retention_days must be a number of days that CloudWatch Logs accepts, such as 365, 731, 1096, 1827, 2557 or 3653, or 0 for ever."
  }

  validation {
    condition     = try(var.audit.key_arn, null) == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.audit.key_arn))
    error_message = "audit.key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias."
  }
}

variable "logs" {
  description = <<-EOT
    The logs of the functions and of the API. `level` is the lowest level that is kept. `format` is that of Lambda's own
    lines; the functions' lines are JSON always. `class` INFREQUENT_ACCESS costs half, and has no metrics from log lines,
    so it needs `alarms.enabled = false`. A change of the class replaces the log groups with their lines. `key_arn` is a
    KMS key for the logs alone; `encryption` covers them too. `retention.logs_days` is the retention.
    `saved_queries` saves queries for Logs Insights beside the alarms.
  EOT
  type = object({
    class   = optional(string, "STANDARD")
    format  = optional(string, "JSON")
    key_arn = optional(string)
    level   = optional(string, "INFO")

    saved_queries = optional(bool, false)
  })
  nullable = false
  default  = {}

  validation {
    condition     = contains(["STANDARD", "INFREQUENT_ACCESS"], var.logs.class)
    error_message = "logs.class must be \"STANDARD\" or \"INFREQUENT_ACCESS\"."
  }

  validation {
    # The functions write their metrics as log lines, in the embedded metric format.
    condition     = var.logs.class != "INFREQUENT_ACCESS" || !var.alarms.enabled
    error_message = "logs.class = \"INFREQUENT_ACCESS\" makes no metrics from log lines, so the alarm sweeper-silent would always fire and others never: set alarms = { enabled = false }, or leave the class out."
  }

  validation {
    condition     = contains(["JSON", "Text"], var.logs.format)
    error_message = "logs.format must be \"JSON\" or \"Text\"."
  }

  validation {
    condition     = var.logs.key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.logs.key_arn))
    error_message = "logs.key_arn must be the ARN of a key (arn:PARTITION:kms:REGION:ACCOUNT:key/ID), not of an alias."
  }

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.logs.level)
    error_message = "logs.level must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  }
}

variable "tracing" {
  description = <<-EOT
    Traces of the functions. `mode` is "none", "xray" (Lambda's own segments) or "opentelemetry", which needs the ARN of
    an OpenTelemetry layer for Python and this Region (`layer_arn`), such as the AWS Distro. Set the layer's own
    variables with `environment`, for example OTEL_EXPORTER_OTLP_ENDPOINT. The roles get the rights to send traces to X-Ray.

    `otel` is the library's own OpenTelemetry, without a layer: one trace from the caller's request to the model call. It
    needs the extra `otel` in the package. `endpoint` is the base URL of a collector that takes OTLP over HTTP.
    `headers_secret_arn` is a secret or a parameter with further headers, such as `api-key=…`, and `headers_key_arn` the KMS
    key of your own that encrypts it. Headers in `headers` are not secret: everybody who may describe a function can read
    them. `sample_ratio` is the share of the traces that no caller has begun. `timeout_s` is the most that an invocation waits
    for the collector. `resource_attributes` are added to each span's resource. `environment` may override the OTEL_ variables.
  EOT
  type = object({
    layer_arn = optional(string)
    mode      = optional(string, "none")
    otel = optional(object({
      endpoint            = string
      headers             = optional(map(string), {})
      headers_key_arn     = optional(string)
      headers_secret_arn  = optional(string)
      resource_attributes = optional(map(string), {})
      sample_ratio        = optional(number, 1)
      timeout_s           = optional(number, 2)
    }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = contains(["none", "xray", "opentelemetry"], var.tracing.mode)
    error_message = "tracing.mode must be \"none\", \"xray\" or \"opentelemetry\"."
  }

  validation {
    condition     = (var.tracing.mode == "opentelemetry") == (var.tracing.layer_arn != null)
    error_message = "tracing.layer_arn and tracing.mode = \"opentelemetry\" belong together: the mode starts the functions through the layer's wrapper. Set both, or neither."
  }

  validation {
    condition     = var.tracing.layer_arn == null ? true : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", var.tracing.layer_arn))
    error_message = "tracing.layer_arn must be the ARN of one version of a layer: arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION."
  }

  validation {
    condition     = var.tracing.otel == null || var.tracing.mode != "opentelemetry"
    error_message = "tracing.otel and tracing.mode = \"opentelemetry\" exclude each other: both would make spans of the same work. Leave tracing.mode out to use the library's own OpenTelemetry, or tracing.otel to use the layer."
  }

  validation {
    condition     = var.tracing.otel == null ? true : can(regex("^https?://[^/@?# ]+(/[^?# ]*)?$", var.tracing.otel.endpoint))
    error_message = "tracing.otel.endpoint must be the base URL of a collector, such as \"https://otel.example.com\" or \"http://10.0.0.7:4318\": without a login, a query or a fragment. The functions add /v1/traces."
  }

  validation {
    condition     = var.tracing.otel == null ? true : !endswith(trimsuffix(var.tracing.otel.endpoint, "/"), "/v1/traces")
    error_message = "tracing.otel.endpoint must not end with /v1/traces, because the functions add it."
  }

  validation {
    condition     = var.tracing.otel == null ? true : var.tracing.otel.sample_ratio >= 0 && var.tracing.otel.sample_ratio <= 1
    error_message = "tracing.otel.sample_ratio must be from 0 to 1: a share of the traces, not a percentage."
  }

  validation {
    condition     = var.tracing.otel == null ? true : var.tracing.otel.timeout_s >= 0.1 && var.tracing.otel.timeout_s <= 10
    error_message = "tracing.otel.timeout_s must be from 0.1 to 10: each invocation may wait so long for the collector, and the API answers only then."
  }

  validation {
    condition     = alltrue([for name in keys(try(var.tracing.otel.headers, {})) : can(regex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", name))])
    error_message = "tracing.otel.headers must have names of HTTP headers, such as { X-Scope-OrgID = \"acme\" }."
  }

  validation {
    condition     = length([for name in keys(try(var.tracing.otel.headers, {})) : name if contains(["api-key", "authorization", "cookie", "dd-api-key", "x-api-key", "x-honeycomb-team"], lower(name))]) == 0
    error_message = "tracing.otel.headers must not have credentials, because everybody who may describe a function can read them. Store the headers in a secret as NAME=VALUE, and set tracing.otel.headers_secret_arn."
  }

  validation {
    condition     = try(var.tracing.otel.headers_secret_arn, null) == null ? true : can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+(-[?]{6})?|ssm:[a-z0-9-]+:[0-9]{12}:parameter/[^*?]+)$", var.tracing.otel.headers_secret_arn))
    error_message = "tracing.otel.headers_secret_arn must be the full ARN of a Secrets Manager secret or an SSM parameter, and never the secret itself. The only wildcard is -?????? in the place of a secret's random suffix."
  }

  validation {
    condition     = try(var.tracing.otel.headers_key_arn, null) == null ? true : var.tracing.otel.headers_secret_arn != null && can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.tracing.otel.headers_key_arn))
    error_message = "tracing.otel.headers_key_arn must be the full ARN of the KMS key that encrypts tracing.otel.headers_secret_arn. IAM policies cannot use the ARN of an alias."
  }

  validation {
    condition     = alltrue([for name in keys(try(var.tracing.otel.resource_attributes, {})) : can(regex("^[A-Za-z0-9._/-]+$", name)) && name != "service.name"])
    error_message = "tracing.otel.resource_attributes must have names such as \"deployment.environment.name\". `service.name` is the name of the stack."
  }
}
