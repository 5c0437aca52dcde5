locals {
  # The variables of environment.tf. Users may not set them too.
  own_variables = [
    "ANALYSES", "BUCKET_NAME", "CODE_VERSION", "DOCUMENT_MEMORY_MB", "EVENT_BUS_NAME", "EVENT_DEAD_LETTER_QUEUE_URL",
    "HEARTBEAT_S", "JOBS_PER_INVOCATION", "JOB_RETENTION_DAYS", "LEASE_S", "MAX_DOCUMENT_BYTES", "MAX_PAGES",
    "MAX_PIXELS", "MAX_WAITING", "MAX_WAITING_PER_TENANT", "MODEL_ID", "MODEL_PRICES", "NOTICE_TOPIC_ARN",
    "OCR_ENGINE", "OCR_LANGUAGES", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "PROMPT_TABLE_NAME",
    "QUEUE_URLS", "SERVICE_TIERS", "TABLE_NAME", "TENANT_CLAIM",
  ]
}

variable "alarms" {
  description = "Alarms: the addresses that receive them (`email`), and their thresholds (`thresholds`, described with their defaults in the alarms module). With `enabled = false` there are no alarms, no topic and no dashboard."
  type = object({
    enabled = optional(bool, true)
    email   = optional(list(string), [])
    thresholds = optional(object({
      api_5xx              = optional(number)
      dead_letter_age_s    = optional(number)
      dead_letter_depth    = optional(number)
      events_late_s        = optional(number)
      jobs_failed          = optional(number)
      jobs_not_sent        = optional(number)
      oldest_message_age_s = optional(number)
      sweep_errors         = optional(number)
      sweeper_silent_min   = optional(number)
      worker_errors        = optional(number)
      worker_throttles     = optional(number)
      worker_time_left_s   = optional(number)
    }), {})
  })
  nullable = false
  default  = {}
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

variable "api" {
  description = <<-EOT
    The HTTP API. `authorizer` is the issuer, audience and scopes of the tokens that it accepts; `tenant_claim` is the
    claim that names the tenant. `routes` are routes of the analyses, as "METHOD /path", in addition to the standard
    ones. `cors` lists the web pages that may call the API and upload documents. `throttling` limits the requests per
    second (`rate`) and the concurrent ones (`burst`). `reserved_concurrency` limits the executions of the function, so
    that its callers cannot use up the account's concurrency; -1 means no limit, because a new account may have a quota
    of 10 and AWS refuses a reservation there.
    At most `max_waiting` requests with `?wait=` wait at a time, and `max_waiting_per_tenant` of one tenant. Others get
    their answer at once.
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
    max_waiting            = optional(number, 25)
    max_waiting_per_tenant = optional(number, 10)
    memory_mb              = optional(number, 512)
    reserved_concurrency   = optional(number, -1)
    routes                 = optional(list(string), [])
    throttling = optional(object({
      burst = optional(number)
      rate  = optional(number)
    }), {})
    timeout_s = optional(number, 30)
  })
  nullable = false

  validation {
    condition     = var.api.timeout_s >= 1 && var.api.timeout_s <= 30 && floor(var.api.timeout_s) == var.api.timeout_s
    error_message = "api.timeout_s must be a whole number from 1 to 30: an HTTP API ends every request after 30 seconds. Longer work belongs in a job."
  }

  validation {
    condition     = var.api.memory_mb >= 128 && var.api.memory_mb <= 10240 && floor(var.api.memory_mb) == var.api.memory_mb
    error_message = "api.memory_mb must be a whole number from 128 to 10240, the range of Lambda."
  }

  validation {
    condition     = var.api.reserved_concurrency >= -1 && var.api.reserved_concurrency != 0 && floor(var.api.reserved_concurrency) == var.api.reserved_concurrency
    error_message = "api.reserved_concurrency must be a whole number of at least 1, or -1 for no limit: with 0 the API would refuse every request."
  }

  validation {
    condition = alltrue([
      for limit in [var.api.max_waiting, var.api.max_waiting_per_tenant] : limit >= 0 && floor(limit) == limit
    ]) && (var.api.reserved_concurrency < 1 || var.api.max_waiting < var.api.reserved_concurrency)
    error_message = "api.max_waiting and api.max_waiting_per_tenant must be whole numbers of at least 0, and max_waiting below reserved_concurrency: otherwise waiting requests could block all others."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_:./-]+$", var.api.authorizer.tenant_claim))
    error_message = "api.authorizer.tenant_claim must be the name of a claim, for example \"tenant\" or \"custom:tenant\": without it jobs have no owner."
  }
}

variable "application_inference_profile_arns" {
  description = "ARNs of application inference profiles that the worker may call. `bedrock_model_ids` must allow the models behind them."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(var.application_inference_profile_arns) == 0 || length(var.bedrock_model_ids) > 0
    error_message = "application_inference_profile_arns needs bedrock_model_ids too: Bedrock requires the right to the profile and to the model behind it."
  }
}

variable "bedrock_model_ids" {
  description = "Models that the worker may call. * is a wildcard within one vendor: \"anthropic.claude-sonnet-4-5-*\" allows the model and its geographic and global inference profiles. Empty if no analysis uses Bedrock."
  type        = list(string)
  nullable    = false
  default     = []
}

variable "deletion_protection" {
  description = "Whether the tables, and the bucket if it is not empty, are protected from deletion. To destroy a stack, apply it with false first."
  type        = bool
  nullable    = false
  default     = true
}

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

variable "events" {
  description = <<-EOT
    Events for other systems. Every transition of a job is an event on the EventBridge bus `bus_name`, which must exist.
    Add rules for the events that you need. With `sns` there is also a topic for ended jobs. Events are enabled by
    default and cost about one cent per thousand jobs.
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
    error_message = "events.bus_name must be the name of a bus in this account and Region, not an ARN. To reach another bus, add a rule that forwards the events."
  }

  validation {
    condition     = var.events.enabled || !var.events.sns
    error_message = "events.sns needs events.enabled: the same function publishes to the topic and to the bus."
  }
}

variable "lanes" {
  description = "Lanes by priority: `high`, `medium` and `low`, each with its own queue. `maximum_concurrency` limits the concurrent workers of a lane, 2 to 1000; without it only the function's limit counts. `tier` is the service tier of its model calls: `priority`, `default`, `flex` or `reserved`; models without that tier are called without it. Adding or removing a lane does not change the queues of the others."
  type = map(object({
    maximum_concurrency = optional(number)
    tier                = optional(string)
  }))
  nullable = false
  default  = { medium = {} }

  validation {
    condition     = length(var.lanes) > 0
    error_message = "lanes must have at least one lane, for example { medium = {} }."
  }

  validation {
    condition     = length(setsubtract(keys(var.lanes), ["high", "medium", "low"])) == 0
    error_message = "lanes must be high, medium or low: these are the priorities that a caller can name."
  }

  validation {
    condition = alltrue([
      for lane in var.lanes : lane.maximum_concurrency == null ? true : lane.maximum_concurrency >= 2 && lane.maximum_concurrency <= 1000 && floor(lane.maximum_concurrency) == lane.maximum_concurrency
    ])
    error_message = "maximum_concurrency of lanes must be a whole number from 2 to 1000, the range of Lambda. Leave it out for no limit. To run one job of a subject at a time, use queue.fifo."
  }

  validation {
    condition     = alltrue([for lane in var.lanes : lane.tier == null ? true : contains(["priority", "default", "flex", "reserved"], lane.tier)])
    error_message = "tier of lanes must be priority, default, flex or reserved: these are the service tiers of models."
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

variable "marketplace" {
  description = "Subscriptions on AWS Marketplace that the worker may make at its first call of a third-party model, by the product IDs of the models. Not needed if the account has subscribed already. The Bedrock user guide lists the IDs under \"Use product ID condition keys to control access\"."
  type        = object({ product_ids = optional(list(string), []) })
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue([for id in var.marketplace.product_ids : can(regex("^(prod(view)?-[a-z0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", id))])
    error_message = "Each of marketplace.product_ids must be a product ID of AWS Marketplace, for example \"prod-mxcfnwvpd6kb4\". IDs of models and wildcards are refused."
  }
}

variable "model_id" {
  description = "Default model of `job.ask`: an ID, or an inference profile such as \"eu.anthropic.claude-sonnet-4-5-20250929-v1:0\". Analyses can name another one."
  type        = string
  default     = null

  validation {
    # The same rule as in the role's policy. Without this check the first job would fail with AccessDenied.
    condition = var.model_id == null ? true : startswith(var.model_id, "gemini-") ? contains(keys(var.worker.secrets), "GEMINI_API_KEY") : contains(var.application_inference_profile_arns, var.model_id) || anytrue([
      for pattern in var.bedrock_model_ids : can(regex("(^|^([a-z]{2}|apac|global|us-gov)\\.|:foundation-model/|:inference-profile/[a-z-]+\\.)${replace(replace(pattern, ".", "\\."), "*", ".*")}$", var.model_id))
    ])
    error_message = "model_id is not allowed by bedrock_model_ids, so Bedrock would deny every call: add a pattern for it, for example \"anthropic.claude-sonnet-4-5-*\", or add its ARN to application_inference_profile_arns. A Gemini model needs the ARN of its API key: worker = { secrets = { GEMINI_API_KEY = … } }."
  }
}

variable "model_prices" {
  description = "Prices for the `cost_usd` of jobs, in USD per million tokens, by model ID or family such as \"gemini-2.5-flash\". They replace the list prices of the library. `cache_read` and `cache_write` default to `input`. `tiers` has a factor for each service tier, for example `{ flex = 0.5 }`."
  type = map(object({
    input       = number
    output      = number
    cache_read  = optional(number)
    cache_write = optional(number)
    tiers       = optional(map(number), {})
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue(flatten([for price in values(var.model_prices) : [for part in [price.input, price.output, price.cache_read, price.cache_write] : part == null ? true : part >= 0]]))
    error_message = "model_prices must be 0 or more, in USD per million tokens."
  }

  validation {
    condition     = alltrue([for price in values(var.model_prices) : alltrue([for tier, factor in price.tiers : contains(["priority", "flex", "reserved"], tier) && factor >= 0])])
    error_message = "tiers of model_prices must be factors of 0 or more for priority, flex or reserved. The default tier has the factor 1."
  }
}

variable "name" {
  description = "Prefix of all names: the queue `<name>-jobs`, the functions `<name>-api`, `<name>-worker`, `<name>-sweeper` and `<name>-events`, the bucket `<name>-artifacts-<account>-<region>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,23}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 25 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen. The name of the bucket contains it with the account and the Region, within 63 characters."
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
    error_message = "package.sha256_base64 must be a SHA-256 in base64, 44 characters that end in \"=\", as filebase64sha256(path) returns it. A hexadecimal hash is refused."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 must have the name of a bucket and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
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
    # Lambda refuses such an event source mapping.
    condition     = coalesce(var.queue.visibility_timeout_s, 43200) >= var.worker.timeout_s
    error_message = "queue.visibility_timeout_s must be at least worker.timeout_s (${var.worker.timeout_s}): raise it, or leave it out for ${var.worker.timeout_s + 60}. It does not delay the recovery from a crash, which takes one lease."
  }

  validation {
    # A job that is throttled a few times is healthy, but a low count would send its message to the dead-letter queue.
    # The sweeper then sends a new message, which is behind the later jobs of the subject: the order is lost.
    condition     = !var.queue.fifo || coalesce(var.queue.max_receive_count, 100) >= 10
    error_message = "queue.max_receive_count must be at least 10 with queue.fifo: on a FIFO queue each wait of a job is a receive, so a lower count moves healthy jobs to the dead-letter queue and loses their order. Raise it, or leave it out for the default of 100."
  }

  validation {
    # A job that waits would hide the other messages of its batch for the visibility timeout too.
    condition     = !var.queue.fifo || var.worker.jobs_per_invocation == 1
    error_message = "queue.fifo needs worker.jobs_per_invocation = 1: in a batch, a job that waits would delay the jobs of other subjects."
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

variable "worker" {
  description = <<-EOT
    The function that runs jobs. `architecture` is that of the package by default, or arm64; the other functions use the
    same. `jobs_per_invocation` is the number of messages that one invocation receives. `reserved_concurrency` needs a
    `maximum_concurrency` in every lane. `environment` has variables of the worker only. `secrets` has ARNs of Secrets
    Manager secrets or SSM parameters, by the name of the environment variable that gets the ARN. The worker may read
    them, and their values are never in Terraform. `secret_key_arns` are the KMS keys of your own that encrypt them.
    `vpc` has the worker's subnets and security groups.
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
    error_message = "worker.timeout_s must be a whole number from 1 to 900, the range of Lambda. A longer job continues in the next invocation if it has several stages."
  }

  validation {
    condition     = var.worker.memory_mb >= 128 && var.worker.memory_mb <= 10240 && floor(var.worker.memory_mb) == var.worker.memory_mb
    error_message = "worker.memory_mb must be a whole number from 128 to 10240, the range of Lambda."
  }

  validation {
    condition     = var.worker.jobs_per_invocation >= 1 && var.worker.jobs_per_invocation <= 10 && floor(var.worker.jobs_per_invocation) == var.worker.jobs_per_invocation
    error_message = "worker.jobs_per_invocation must be a whole number from 1 to 10, the maximum of one receive."
  }

  validation {
    # A lane without a maximum invokes up to a thousand workers. An invocation that Lambda throttles still counts as a
    # receive, so messages would move to the dead-letter queue unprocessed.
    condition = var.worker.reserved_concurrency == null ? true : (
      alltrue([for lane in var.lanes : lane.maximum_concurrency != null]) &&
      var.worker.reserved_concurrency >= sum([for lane in var.lanes : coalesce(lane.maximum_concurrency, 0)])
    )
    error_message = "worker.reserved_concurrency must be at least the sum of the lanes' maximum_concurrency, and every lane needs one: otherwise Lambda throttles invocations, and messages move to the dead-letter queue unprocessed."
  }

  validation {
    condition     = length(setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables)) == 0
    error_message = "worker.environment and worker.secrets must not have variables that the module sets itself: rename ${join(", ", setintersection(concat(keys(var.worker.environment), keys(var.worker.secrets)), local.own_variables))}."
  }

  validation {
    condition     = alltrue([for arn in values(var.worker.secrets) : can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^*?]+$", arn))])
    error_message = "worker.secrets must have full ARNs of Secrets Manager secrets or SSM parameters, without wildcards, and never the secret itself."
  }

  validation {
    condition     = alltrue([for arn in var.worker.secret_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "worker.secret_key_arns must have full ARNs of KMS keys. IAM policies cannot use the ARN of an alias."
  }
}
