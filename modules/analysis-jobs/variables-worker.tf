variable "documents" {
  description = "Limits of documents; larger ones are refused: `max_bytes` (default 50 million, for uploads too), `max_pages` (2,000), and `max_pixels` of a picture (50 million). `ocr` reads scanned pages: \"tesseract\" (the default, needs the extra ocr in the package), \"textract\" (Amazon Textract) or \"none\". `ocr_languages` are the languages that tesseract reads, by its codes (default `[\"eng\"]`); each other one needs its data in the package, for example from the extra ocr-deu."
  type = object({
    max_bytes     = optional(number)
    max_pages     = optional(number)
    max_pixels    = optional(number)
    ocr           = optional(string)
    ocr_languages = optional(list(string))
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for most in [var.documents.max_bytes, var.documents.max_pages, var.documents.max_pixels] : most == null ? true : most >= 1 && floor(most) == most])
    error_message = "documents.max_bytes, max_pages and max_pixels must be whole numbers of at least 1."
  }

  validation {
    condition     = var.documents.ocr == null ? true : contains(["tesseract", "textract", "none"], var.documents.ocr)
    error_message = "documents.ocr must be \"tesseract\", \"textract\" or \"none\"."
  }

  validation {
    condition     = var.documents.ocr_languages == null ? true : length(var.documents.ocr_languages) > 0 && length(distinct(var.documents.ocr_languages)) == length(var.documents.ocr_languages) && alltrue([for code in var.documents.ocr_languages : can(regex("^[a-z]{3}(_[a-z]+)*$", code))])
    error_message = "documents.ocr_languages must be at least one of Tesseract's codes of languages, each once, such as \"eng\", \"deu\" or \"chi_sim\"."
  }

  validation {
    condition     = var.documents.ocr_languages == null || try(coalesce(var.documents.ocr, "tesseract"), "") == "tesseract"
    error_message = "documents.ocr_languages is for documents.ocr = \"tesseract\": Amazon Textract detects the language itself."
  }
}

variable "environment" {
  description = "Environment variables of all functions. Do not put secrets here: everybody who may describe a function can read them."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.environment), local.own_variables)) == 0
    error_message = "environment must not have variables that the module sets itself: remove ${join(", ", setintersection(keys(var.environment), local.own_variables))}."
  }
}

variable "lease" {
  description = "The lease of a worker on a job (`lease_s`) and the interval of the heartbeats that renew it (`heartbeat_s`), in seconds. The job of a crashed worker resumes after one lease and one sweep at most."
  type = object({
    heartbeat_s = optional(number, 15)
    lease_s     = optional(number, 60)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.lease.heartbeat_s >= 1
    error_message = "lease.heartbeat_s must be at least 1: each heartbeat is a write to the table and a request to the queue."
  }

  validation {
    # If one heartbeat fails, the next must still find the lease held. Otherwise a healthy worker loses its job, and
    # another one repeats the model call.
    condition     = var.lease.heartbeat_s * 2 < var.lease.lease_s
    error_message = "lease.lease_s must be more than twice lease.heartbeat_s, so that a healthy worker keeps its job if one heartbeat is lost: raise lease_s above ${var.lease.heartbeat_s * 2}, or lower heartbeat_s."
  }

  validation {
    # Lambda ends the worker at its timeout. With a longer lease the end would only be noticed later.
    condition     = var.lease.lease_s <= var.worker.timeout_s
    error_message = "lease.lease_s must not be longer than worker.timeout_s (${var.worker.timeout_s}): no worker runs longer, and after a crash the job would only wait."
  }
}

variable "worker" {
  description = <<-EOT
    The function that runs jobs. `architecture` is that of the package by default, or arm64; the other functions use the
    same. `memory_mb` is by default what the package needs: 256, or 1024 if it reads scanned pages with Tesseract.
    `jobs_per_invocation` is the number of jobs that share an invocation, 1 to 20. The default is 20 if every analysis of
    the stack declares `mostly_waits`, else 1, and 1 with `queue.fifo`. Lambda delivers at most 10 messages to an
    invocation. While it lasts, it fills its free slots with further messages of its lane. `batching_window_s` lets Lambda collect messages for so long before it starts an
    invocation, 0 by default. `reserved_concurrency` needs a
    `maximum_concurrency` in every lane. `environment` has variables of the worker only. `secrets` has ARNs of Secrets
    Manager secrets or SSM parameters, by the name of the environment variable that gets the ARN. The worker may read
    them, and their values are never in Terraform. The random suffix of a secret may be `-??????`: the variable then has
    the ARN without it. `secret_key_arns` are the KMS keys of your own that encrypt them. `statements` are further rights
    of the worker, by a name in snake_case. `vpc` has the worker's subnets and security groups; the default is
    `functions.vpc`.
  EOT
  type = object({
    architecture         = optional(string)
    batching_window_s    = optional(number, 0)
    environment          = optional(map(string), {})
    jobs_per_invocation  = optional(number)
    memory_mb            = optional(number)
    reserved_concurrency = optional(number)
    secret_key_arns      = optional(list(string), [])
    secrets              = optional(map(string), {})
    statements = optional(map(object({
      actions    = list(string)
      conditions = optional(list(object({ test = string, values = list(string), variable = string })), [])
      resources  = list(string)
    })), {})
    timeout_s = optional(number, 900)
    vpc = optional(object({
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.worker.timeout_s >= 1 && var.worker.timeout_s <= 900 && floor(var.worker.timeout_s) == var.worker.timeout_s
    error_message = "worker.timeout_s must be a whole number from 1 to 900, the range of Lambda. A longer job continues in the next invocation if it has several stages."
  }

  validation {
    condition     = var.worker.memory_mb == null ? true : var.worker.memory_mb >= 128 && var.worker.memory_mb <= 10240 && floor(var.worker.memory_mb) == var.worker.memory_mb
    error_message = "worker.memory_mb must be a whole number from 128 to 10240, the range of Lambda. Leave it out for what the package needs."
  }

  validation {
    condition     = var.worker.jobs_per_invocation == null ? true : var.worker.jobs_per_invocation >= 1 && var.worker.jobs_per_invocation <= 20 && floor(var.worker.jobs_per_invocation) == var.worker.jobs_per_invocation
    error_message = "worker.jobs_per_invocation must be a whole number from 1 to 20: all jobs of an invocation share its memory and its processor. Leave it out for what the analyses declare."
  }

  validation {
    condition     = var.worker.batching_window_s >= 0 && var.worker.batching_window_s <= 300 && floor(var.worker.batching_window_s) == var.worker.batching_window_s
    error_message = "worker.batching_window_s must be a whole number from 0 to 300, the range of Lambda. Every job waits for up to that time before it starts."
  }

  validation {
    # A lane without a maximum invokes up to a thousand workers. An invocation that Lambda throttles still counts as a
    # receive, so messages would move to the dead-letter queue unprocessed.
    condition = var.worker.reserved_concurrency == null ? true : (
      alltrue([for lane in var.lanes : lane.maximum_concurrency != null]) &&
      var.worker.reserved_concurrency >= sum([for lane in var.lanes : coalesce(lane.maximum_concurrency, 0)]) + (var.canary.enabled ? var.canary.maximum_concurrency : 0)
    )
    error_message = "worker.reserved_concurrency must be at least the sum of the lanes' maximum_concurrency and of canary.maximum_concurrency (${var.canary.enabled ? var.canary.maximum_concurrency : 0}), and every lane needs one: otherwise Lambda throttles invocations, and messages move to the dead-letter queue unprocessed."
  }

  validation {
    condition     = length(setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables)) == 0
    error_message = "worker.environment and worker.secrets must not have variables that the module sets itself: rename ${join(", ", setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables))}."
  }

  validation {
    condition     = alltrue([for arn in values(var.worker.secrets) : can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+(-[?]{6})?|ssm:[a-z0-9-]+:[0-9]{12}:parameter/[^*?]+)$", arn))])
    error_message = "worker.secrets must have full ARNs of Secrets Manager secrets or SSM parameters, and never the secret itself. The only wildcard is -?????? in the place of a secret's random suffix, not *."
  }

  validation {
    condition     = alltrue([for arn in var.worker.secret_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "worker.secret_key_arns must have full ARNs of KMS keys. IAM policies cannot use the ARN of an alias."
  }

  validation {
    condition     = alltrue([for name, statement in var.worker.statements : can(regex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", name)) && length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "worker.statements must have names in snake_case, and each at least one action and one resource: { books_read = { actions = [\"s3:GetObject\"], resources = [aws_s3_bucket.books.arn] } }."
  }

  validation {
    condition     = length(setintersection(keys(var.worker.statements), local.own_statements)) == 0
    error_message = "worker.statements must not have names of the module's own statements: rename ${join(", ", setintersection(keys(var.worker.statements), local.own_statements))}."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.worker.statements : [for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+\\*?$", action))]]))
    error_message = "Each action of worker.statements must be named as \"service:Action\". \"*\" and \"service:*\" are refused."
  }
}

locals {
  # The worker's statements in iam.tf.
  own_statements = [
    "artifacts", "documents_read", "jobs_write", "key_use", "models_invoke", "models_subscribe", "order_read", "pages_recognise",
    "prompts_read", "queue_consume", "queue_send", "secrets_decrypt", "secrets_read", "subscriptions_view",
    "trace_headers_decrypt", "trace_headers_read",
  ]
}
