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
