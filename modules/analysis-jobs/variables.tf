locals {
  # The variables of environment.tf. Users may not set them too.
  own_variables = [
    "ANALYSES", "AUDIT_LOG_GROUP", "BUCKET_NAME", "BUCKET_PREFIX", "CALLERS", "CANARY_QUEUE_URL", "CODE_VERSION", "DOCUMENT_MEMORY_MB", "EVENT_BUS_NAME",
    "EVENT_DEAD_LETTER_QUEUE_URL",
    "HEARTBEAT_S", "JOBS_PER_INVOCATION", "JOB_RETENTION_DAYS", "LEASE_S", "MAX_DOCUMENT_BYTES", "MAX_PAGES",
    "MAX_PIXELS", "MAX_WAITING", "MAX_WAITING_PER_TENANT", "MODEL_ID", "MODEL_PRICES", "NOTICE_TOPIC_ARN",
    "OCR_ENGINE", "OCR_LANGUAGES", "OPENTELEMETRY", "OPENTELEMETRY_TIMEOUT_S", "OTEL_HEADERS_SECRET", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "PROMPT_TABLE_NAME",
    "QUEUE_URLS", "SERVICE_TIERS", "TABLE_NAME", "TENANT_CLAIM",
  ]
}

variable "analyses" {
  description = "Import paths of the Python modules that declare the analyses, for example [\"rfp_analysis\"]."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.analyses) > 0
    error_message = "analyses must have at least one module: without an analysis every job is refused."
  }

  validation {
    condition     = alltrue([for module in var.analyses : can(regex("^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$", module))])
    error_message = "analyses must have import paths such as \"rfp_analysis\" or \"valuation.books\", not file names."
  }
}

variable "deletion_protection" {
  description = "Whether the stack is protected from deletion. Then a destroy is refused before anything is deleted, and so is a change that would delete a queue. To destroy a stack, apply it with false first."
  type        = bool
  nullable    = false
  default     = true
}

variable "retention" {
  description = <<-EOT
    Retention in days of job rows (`jobs_days`), of the files of jobs (`artifacts_days`), of uploaded documents
    (`uploads_days`) and of logs (`logs_days`). Files and uploads are kept as long as the rows by default. S3 keeps the
    last version of a deleted object for another 7 days.
  EOT
  type = object({
    artifacts_days = optional(number)
    jobs_days      = optional(number, 30)
    logs_days      = optional(number, 30)
    uploads_days   = optional(number)
  })
  nullable = false
  default  = {}

  validation {
    condition     = floor(var.retention.jobs_days) == var.retention.jobs_days && var.retention.jobs_days * 86400 > var.queue.retention_s
    error_message = "retention.jobs_days must be a whole number and longer than queue.retention_s (${var.queue.retention_s} s): a message must not outlive the row that it points to."
  }

  validation {
    condition     = coalesce(var.retention.artifacts_days, var.retention.jobs_days) >= var.retention.jobs_days
    error_message = "retention.artifacts_days must be at least retention.jobs_days (${var.retention.jobs_days}): otherwise a job would point to a deleted result."
  }

  validation {
    condition     = coalesce(var.retention.uploads_days, var.retention.jobs_days) * 86400 > var.queue.retention_s
    error_message = "retention.uploads_days must be longer than queue.retention_s (${var.queue.retention_s} s): otherwise a waiting job could lose its document."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  nullable    = false
  default     = {}
}
