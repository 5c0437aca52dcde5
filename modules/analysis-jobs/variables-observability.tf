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
  EOT
  type = object({
    layer_arn = optional(string)
    mode      = optional(string, "none")
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
}
