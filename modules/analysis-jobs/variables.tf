locals {
  # Set in environment.tf; whoever sets one of them too would only wonder why it does not take.
  own_variables = [
    "ANALYSES", "BUCKET_NAME", "CODE_VERSION", "DOCUMENT_MEMORY_MB", "EVENT_BUS_NAME", "EVENT_DEAD_LETTER_QUEUE_URL",
    "HEARTBEAT_S", "JOB_RETENTION_DAYS", "LEASE_S", "MAX_DOCUMENT_BYTES", "MAX_PAGES", "MAX_PIXELS", "MODEL_ID",
    "MODEL_PRICES", "NOTICE_TOPIC_ARN", "OCR_ENGINE", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME",
    "PROMPT_TABLE_NAME", "QUEUE_URLS", "TABLE_NAME", "TENANT_CLAIM",
  ]
}

variable "alarms" {
  description = "Who is told of trouble (`email`), and from when on (`thresholds`, see the alarms module for each and its default). `enabled = false` makes no alarm, topic or dashboard."
  type = object({
    enabled = optional(bool, true)
    email   = optional(list(string), [])
    thresholds = optional(object({
      api_5xx                 = optional(number)
      dead_letter_age_s       = optional(number)
      dead_letter_depth       = optional(number)
      events_late_s           = optional(number)
      jobs_failed             = optional(number)
      jobs_not_sent           = optional(number)
      oldest_message_age_s    = optional(number)
      sweep_errors            = optional(number)
      sweeper_silent_min      = optional(number)
      worker_duration_percent = optional(number)
      worker_errors           = optional(number)
      worker_throttles        = optional(number)
    }), {})
  })
  nullable = false
  default  = {}
}

variable "analyses" {
  description = "Python modules of the package that declare the analyses, as one would import them: [\"rfp_analysis\"]."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.analyses) > 0
    error_message = "analyses needs at least one module: without an analysis every job is refused."
  }

  validation {
    condition     = alltrue([for module in var.analyses : can(regex("^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$", module))])
    error_message = "analyses takes import paths such as \"rfp_analysis\" or \"valuation.books\", not file names."
  }
}

variable "api" {
  description = <<-EOT
    The HTTP API. `authorizer`: whose tokens are let in (`issuer`, `audience`, `scopes`), and which claim of a token
    names the tenant (`tenant_claim`). `routes`: calls of an analysis' own, "METHOD /path", beside the standard ones.
    `cors`: which web pages may call it and upload from a browser. `throttling`: requests per second (`rate`) and at once (`burst`).
  EOT
  type = object({
    authorizer = object({
      issuer       = string
      audience     = list(string)
      scopes       = optional(list(string), [])
      tenant_claim = optional(string, "tenant")
    })
    cors = optional(object({
      allow_origins  = optional(list(string), [])
      allow_headers  = optional(list(string))
      allow_methods  = optional(list(string))
      expose_headers = optional(list(string))
      max_age_s      = optional(number)
    }), {})
    memory_mb = optional(number, 512)
    routes    = optional(list(string), [])
    throttling = optional(object({
      burst = optional(number)
      rate  = optional(number)
    }), {})
    timeout_s = optional(number, 30)
  })
  nullable = false

  validation {
    condition     = var.api.timeout_s >= 1 && var.api.timeout_s <= 30 && floor(var.api.timeout_s) == var.api.timeout_s
    error_message = "api.timeout_s must be 1 to 30 whole seconds: an HTTP API gives up after 30, whatever its function does. Longer work belongs into a job."
  }

  validation {
    condition     = var.api.memory_mb >= 128 && var.api.memory_mb <= 10240 && floor(var.api.memory_mb) == var.api.memory_mb
    error_message = "api.memory_mb must be 128 to 10240 whole MB."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_:./-]+$", var.api.authorizer.tenant_claim))
    error_message = "api.authorizer.tenant_claim must name a claim of the token, e.g. \"tenant\" or \"custom:tenant\": without it nobody owns a job."
  }
}

variable "application_inference_profile_arns" {
  description = "ARNs of application inference profiles that the worker may call, beside `bedrock_model_ids`."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(var.application_inference_profile_arns) == 0 || length(var.bedrock_model_ids) > 0
    error_message = "application_inference_profile_arns needs bedrock_model_ids too: Bedrock asks for the right to the profile and to the model behind it."
  }
}

variable "bedrock_model_ids" {
  description = "Models the worker may call, * as wildcard within one vendor: \"anthropic.claude-sonnet-4-5-*\" admits that ID and its geographic and global profiles. Empty for analyses that call no Bedrock."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "deletion_protection" {
  description = "Whether job table and prompt table refuse to be deleted, and the bucket refuses while it holds anything. To destroy a stack, apply it with false first."
  type        = bool
  nullable    = false
  default     = true
}

variable "documents" {
  description = "What is read of a document: `max_bytes` (50 million; uploads too), `max_pages` (2,000), `max_pixels` of a picture (50 million); more is refused. `ocr`: what reads pages that are pictures, \"tesseract\" (the default; the package's extra ocr), \"textract\" (Amazon Textract), or \"none\"."
  type = object({
    max_bytes  = optional(number)
    max_pages  = optional(number)
    max_pixels = optional(number)
    ocr        = optional(string)
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for most in [var.documents.max_bytes, var.documents.max_pages, var.documents.max_pixels] : most == null ? true : most >= 1 && floor(most) == most])
    error_message = "documents takes whole numbers of 1 or more for max_bytes, max_pages and max_pixels."
  }

  validation {
    condition     = var.documents.ocr == null ? true : contains(["tesseract", "textract", "none"], var.documents.ocr)
    error_message = "documents.ocr is \"tesseract\", \"textract\" or \"none\"."
  }
}

variable "environment" {
  description = "Environment variables for every function. Not for secrets: whoever may describe a function reads them."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.environment), local.own_variables)) == 0
    error_message = "environment sets a variable that the module sets itself: take out ${join(", ", setintersection(keys(var.environment), local.own_variables))}."
  }
}

variable "events" {
  description = <<-EOT
    What other systems are told. Every transition of a job goes to the EventBridge bus `bus_name`, which must exist;
    rules of yours pick what they want. `sns` makes a topic that tells of ended jobs. On unless `enabled = false`:
    about a cent per thousand jobs, and without a rule nobody hears them.
  EOT
  type = object({
    bus_name = optional(string, "default")
    enabled  = optional(bool, true)
    sns      = optional(bool, false)
  })
  nullable = false
  default  = {}

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,256}$", var.events.bus_name))
    error_message = "events.bus_name takes the name of a bus of this account and Region, not an ARN. To reach a bus elsewhere, forward from here with a rule."
  }

  validation {
    condition     = var.events.enabled || !var.events.sns
    error_message = "events.sns is told of by the same function as the bus: leave events.enabled true, or sns false."
  }
}

variable "lanes" {
  description = "The queues, by priority: any of `high`, `medium`, `low`. `maximum_concurrency`: workers that may run for this lane at once (2 to 1000; unset: no limit but the function's). A lane added or removed later leaves the others' queues alone."
  type        = map(object({ maximum_concurrency = optional(number) }))
  nullable    = false
  default     = { medium = {} }

  validation {
    condition     = length(var.lanes) > 0
    error_message = "lanes needs at least one lane, e.g. { medium = {} }: jobs wait in one."
  }

  validation {
    condition     = length(setsubtract(keys(var.lanes), ["high", "medium", "low"])) == 0
    error_message = "lanes knows high, medium and low only: they are the priorities a caller may name."
  }

  validation {
    condition = alltrue([
      for lane in var.lanes : lane.maximum_concurrency == null ? true : lane.maximum_concurrency >= 2 && lane.maximum_concurrency <= 1000 && floor(lane.maximum_concurrency) == lane.maximum_concurrency
    ])
    error_message = "lanes.*.maximum_concurrency must be a whole number from 2 to 1000, which is all Lambda takes; leave it out for no limit. For one job at a time use queue.fifo and one message group."
  }
}

variable "lease" {
  description = "How long a worker's right to a job lasts without a sign of life (`lease_s`), and how often it gives one (`heartbeat_s`). A dead worker's job goes on one lease and one sweep later."
  type = object({
    heartbeat_s = optional(number, 15)
    lease_s     = optional(number, 60)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.lease.heartbeat_s >= 1
    error_message = "lease.heartbeat_s must be at least 1: each beat is a write to the table and a call to the queue."
  }

  validation {
    # One beat may fail or come late, the next must still find the lease held: else a healthy worker loses its job, and
    # the model is paid twice.
    condition     = var.lease.heartbeat_s * 2 < var.lease.lease_s
    error_message = "lease.lease_s must be more than twice lease.heartbeat_s, so that one lost heartbeat does not cost a healthy worker its job: raise lease_s above ${var.lease.heartbeat_s * 2} or lower heartbeat_s."
  }

  validation {
    # Lambda itself ends the worker at its timeout: a longer lease could only make its death be noticed later.
    condition     = var.lease.lease_s <= var.worker.timeout_s
    error_message = "lease.lease_s must not be longer than worker.timeout_s (${var.worker.timeout_s}): no worker lives longer than that, so the rest of the lease is time lost after a crash."
  }
}

variable "marketplace" {
  description = "Whether the worker may subscribe to third-party models on its first call. Not needed where the account has done so."
  type        = bool
  nullable    = false
  default     = false
}

variable "model_id" {
  description = "Model that `job.ask` uses where an analysis names none: an ID, or an inference profile such as \"eu.anthropic.claude-sonnet-4-5-20250929-v1:0\"."
  type        = string
  default     = null

  validation {
    # The same rule as in the role's policy, said before the first job fails with AccessDenied.
    condition = var.model_id == null ? true : startswith(var.model_id, "gemini-") ? contains(keys(var.worker.secrets), "GEMINI_API_KEY") : contains(var.application_inference_profile_arns, var.model_id) || anytrue([
      for pattern in var.bedrock_model_ids : can(regex("(^|^([a-z]{2}|apac|global|us-gov)\\.|:foundation-model/|:inference-profile/[a-z-]+\\.)${replace(replace(pattern, ".", "\\."), "*", ".*")}$", var.model_id))
    ])
    error_message = "model_id is not admitted by bedrock_model_ids, so every call to it would be denied: add a pattern for it, e.g. \"anthropic.claude-sonnet-4-5-*\", or its ARN to application_inference_profile_arns. For a model of Gemini's give the ARN of its key: worker = { secrets = { GEMINI_API_KEY = … } }."
  }
}

variable "model_prices" {
  description = "What models cost this stack, in USD per million tokens, where list prices are not what it pays, or the library knows none: by model ID or family (\"gemini-2.5-flash\"). `cache_read` and `cache_write`: as `input` unless given. For `cost_usd` of the jobs."
  type = map(object({
    input       = number
    output      = number
    cache_read  = optional(number)
    cache_write = optional(number)
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue(flatten([for price in values(var.model_prices) : [for part in [price.input, price.output, price.cache_read, price.cache_write] : part == null ? true : part >= 0]]))
    error_message = "model_prices takes prices of 0 or more, in USD per million tokens."
  }
}

variable "name" {
  description = "Prefix of everything made here: queue `<name>-jobs`, functions `<name>-api`, `<name>-worker`, `<name>-sweeper`, `<name>-events`, bucket `<name>-artifacts-<account>-<region>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 25 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen: S3 allows no capitals, and the bucket's name must fit into 63 characters with account and Region."
  }
}

variable "package" {
  description = <<-EOT
    The built zip of all functions. A whole manifest of `make package` can be passed. `path` and `sha256_base64` are
    required. `version` is recorded on every result; the default is the hash. `architecture` is the processor it was
    built for. `s3` is where the same file was uploaded to, in a bucket of this Region; Lambda requires it for a zip
    over 50 MB, which `size_bytes` tells before the apply.
  EOT
  type = object({
    architecture  = optional(string)
    path          = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
    size_bytes    = optional(number)
    version       = optional(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package.sha256_base64))
    error_message = "package.sha256_base64 must be a SHA-256 in base64, 44 characters that end in \"=\" (filebase64sha256(path)), not in hexadecimal."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 takes a bucket's name and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
  }

  validation {
    # Lambda's limit for a zip in a request, in bytes. Without size_bytes the apply fails instead of the plan.
    condition     = coalesce(var.package.size_bytes, 0) <= 52428800 || var.package.s3 != null
    error_message = "package.size_bytes is ${coalesce(var.package.size_bytes, 0)}, and Lambda accepts at most 52428800 bytes (50 MB) that do not come from S3: upload the zip to a bucket in this Region and set package.s3 = { bucket, key }. `make deploy` does both if config.json names a package_bucket."
  }

  validation {
    condition     = var.package.architecture == null || var.worker.architecture == null ? true : var.package.architecture == var.worker.architecture
    error_message = "The package was built for another processor than worker.architecture names, and would not import there: take the other zip, or leave worker.architecture out."
  }
}

variable "queue" {
  description = <<-EOT
    Settings of every lane's queue. `fifo` runs the jobs of one subject one after another, in submission order.
    `max_receive_count` is the number of receives after which a message moves to the dead-letter queue: 3 by default,
    100 with `fifo`, where a job waits on its own message and each wait is a receive. In seconds: `retention_s`
    (default 4 days), `dead_letter_retention_s` (14 days), `visibility_timeout_s` (worker.timeout_s + 60).
  EOT
  type = object({
    dead_letter_retention_s = optional(number, 1209600)
    fifo                    = optional(bool, false)
    max_receive_count       = optional(number)
    retention_s             = optional(number, 345600)
    visibility_timeout_s    = optional(number)
  })
  nullable = false
  default  = {}

  validation {
    # Lambda refuses such a mapping; before that was checked, messages came back while their job still ran.
    condition     = coalesce(var.queue.visibility_timeout_s, 43200) >= var.worker.timeout_s
    error_message = "queue.visibility_timeout_s must not be below worker.timeout_s: set it to at least ${var.worker.timeout_s}, or leave it out for ${var.worker.timeout_s + 60}. A crashed worker's message does not wait for it: the lease decides."
  }

  validation {
    # A job that is throttled a few times is healthy, but a low count would send its message to the dead-letter queue.
    # The sweeper then sends a new message, which is behind the later jobs of the subject: the order is lost.
    condition     = !var.queue.fifo || coalesce(var.queue.max_receive_count, 100) >= 10
    error_message = "queue.max_receive_count must be at least 10 with queue.fifo: on a FIFO queue each wait of a job is a receive, so a lower count moves healthy jobs to the dead-letter queue and loses their order. Raise it, or leave it out for the default of 100."
  }

  validation {
    # What follows a job that waits would come back with it, hidden for the whole visibility timeout.
    condition     = !var.queue.fifo || var.worker.jobs_per_invocation == 1
    error_message = "queue.fifo needs worker.jobs_per_invocation = 1: in a batch, one job that has to wait would hold up the other subjects' too."
  }
}

variable "retention" {
  description = <<-EOT
    Days that things are kept. `jobs_days`: job rows. `artifacts_days`: the jobs' files; unset, as long as the rows.
    `uploads_days`: documents waiting for a job; unset, as long as the rows. `logs_days`: all logs.
    S3 keeps a deleted object's last version for 7 days more.
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
    error_message = "retention.jobs_days must be whole days and longer than queue.retention_s (${var.queue.retention_s} s): a message may not outlive the row it points to."
  }

  validation {
    condition     = coalesce(var.retention.artifacts_days, var.retention.jobs_days) >= var.retention.jobs_days
    error_message = "retention.artifacts_days must not be below retention.jobs_days (${var.retention.jobs_days}): a job that can still be read would point to a result that is gone."
  }

  validation {
    condition     = coalesce(var.retention.uploads_days, var.retention.jobs_days) * 86400 > var.queue.retention_s
    error_message = "retention.uploads_days must be longer than queue.retention_s (${var.queue.retention_s} s): a job that still waits would find its document gone."
  }
}

variable "tags" {
  description = "Tags for everything made here."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "worker" {
  description = <<-EOT
    The function that runs jobs. `architecture` unset: the package's own, else arm64; the other functions follow it.
    `jobs_per_invocation`: messages taken at once.
    `reserved_concurrency`: set it only together with every lane's `maximum_concurrency`. `environment`: variables of
    the worker alone. `secrets`: ARNs of Secrets Manager secrets or SSM parameters by the environment variable that
    shall hold the ARN; the worker may read them, their values never enter Terraform. `secret_key_arns`: the KMS keys of
    your own that encrypt them. `vpc`: subnets and security groups.
  EOT
  type = object({
    architecture         = optional(string)
    environment          = optional(map(string), {})
    jobs_per_invocation  = optional(number, 1)
    memory_mb            = optional(number, 1024)
    reserved_concurrency = optional(number)
    secret_key_arns      = optional(list(string), [])
    secrets              = optional(map(string), {})
    timeout_s            = optional(number, 900)
    vpc = optional(object({
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.worker.timeout_s >= 1 && var.worker.timeout_s <= 900 && floor(var.worker.timeout_s) == var.worker.timeout_s
    error_message = "worker.timeout_s must be 1 to 900 whole seconds, Lambda's limit. A longer job goes on in the next invocation: give it several stages."
  }

  validation {
    condition     = var.worker.memory_mb >= 128 && var.worker.memory_mb <= 10240 && floor(var.worker.memory_mb) == var.worker.memory_mb
    error_message = "worker.memory_mb must be 128 to 10240 whole MB."
  }

  validation {
    condition     = var.worker.jobs_per_invocation >= 1 && var.worker.jobs_per_invocation <= 10 && floor(var.worker.jobs_per_invocation) == var.worker.jobs_per_invocation
    error_message = "worker.jobs_per_invocation must be 1 to 10, the most that one receive brings."
  }

  validation {
    # A lane without a maximum polls up to a thousand workers. What the function refuses counts as a receive all the
    # same, and the third one moves the message to the dead-letter queue although nobody ever worked on it.
    condition = var.worker.reserved_concurrency == null ? true : (
      alltrue([for lane in var.lanes : lane.maximum_concurrency != null]) &&
      var.worker.reserved_concurrency >= sum([for lane in var.lanes : coalesce(lane.maximum_concurrency, 0)])
    )
    error_message = "worker.reserved_concurrency must cover every lane's maximum_concurrency together, else Lambda throttles messages into the dead-letter queue unprocessed: give each of lanes a maximum_concurrency, and let their sum not exceed reserved_concurrency."
  }

  validation {
    condition     = length(setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables)) == 0
    error_message = "worker.environment or worker.secrets sets a variable that the module sets itself: rename ${join(", ", setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables))}."
  }

  validation {
    condition     = alltrue([for arn in values(var.worker.secrets) : can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^*?]+$", arn))])
    error_message = "worker.secrets takes whole ARNs of Secrets Manager secrets or SSM parameters, without wildcards; never a secret itself."
  }

  validation {
    condition     = alltrue([for arn in var.worker.secret_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "worker.secret_key_arns takes whole ARNs of KMS keys, not of aliases: IAM does not decide by them."
  }
}
