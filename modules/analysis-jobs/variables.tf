locals {
  # The variables of environment.tf. Users may not set them too.
  own_variables = [
    "ANALYSES", "BUCKET_NAME", "BUCKET_PREFIX", "CALLERS", "CODE_VERSION", "DOCUMENT_MEMORY_MB", "EVENT_BUS_NAME",
    "EVENT_DEAD_LETTER_QUEUE_URL",
    "HEARTBEAT_S", "JOBS_PER_INVOCATION", "JOB_RETENTION_DAYS", "LEASE_S", "MAX_DOCUMENT_BYTES", "MAX_PAGES",
    "MAX_PIXELS", "MAX_WAITING", "MAX_WAITING_PER_TENANT", "MODEL_ID", "MODEL_PRICES", "NOTICE_TOPIC_ARN",
    "OCR_ENGINE", "OCR_LANGUAGES", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "PROMPT_TABLE_NAME",
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

variable "package" {
  description = <<-EOT
    The built zip of all functions. A whole manifest of `make package` can be passed. `sha256_base64` is required, and
    `path`, or `s3` with an `object_version` for a zip that is in S3 alone. `version` is recorded on every result; the default is the hash. `architecture` is the processor it was
    built for. `s3` is where the same file was uploaded to, in a bucket of this Region; Lambda requires it for a zip
    over 50 MB, which `size_bytes` tells before the apply.
  EOT
  type = object({
    architecture  = optional(string)
    path          = optional(string)
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
    size_bytes    = optional(number)
    version       = optional(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package.sha256_base64))
    error_message = "package.sha256_base64 must be a SHA-256 in base64, 44 characters that end in \"=\", as filebase64sha256(path) returns it. A hexadecimal hash is refused."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 must have the name of a bucket and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
  }

  validation {
    # A plan cannot compare the hash of a file that is in S3 only.
    condition     = var.package.path != null || try(var.package.s3.object_version, null) != null
    error_message = "package needs path, or s3 with an object_version: without the file, only the version says which bytes are deployed."
  }

  validation {
    # Lambda's limit for a zip in a request, in bytes. Without size_bytes the apply fails instead of the plan.
    condition     = coalesce(var.package.size_bytes, 0) <= 52428800 || var.package.s3 != null
    error_message = "package.size_bytes is ${coalesce(var.package.size_bytes, 0)}, and Lambda accepts at most 52428800 bytes (50 MB) that do not come from S3: upload the zip to a bucket in this Region and set package.s3 = { bucket, key }. `make deploy` does both if config.json names a package_bucket."
  }

  validation {
    condition     = var.package.architecture == null || var.worker.architecture == null ? true : var.package.architecture == var.worker.architecture
    error_message = "package.architecture must be the same as worker.architecture: compiled code of one processor does not run on the other. Use the other zip, or leave worker.architecture out."
  }
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
