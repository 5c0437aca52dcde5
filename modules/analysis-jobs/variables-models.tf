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

variable "model_access" {
  description = "Narrows `bedrock_model_ids`: `geographies` are the inference profiles that the worker may call, for example [\"eu\"], and `regions` the Regions in which it may call models, for example [\"eu-central-1\", \"eu-west-1\"]. A profile needs each Region that it routes to. Without them all are allowed. An empty list of geographies allows no profile."
  type = object({
    geographies = optional(list(string))
    regions     = optional(list(string))
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.model_access.geographies == null ? true : alltrue([for code in var.model_access.geographies : can(regex("^([a-z]{2}|apac|global|us-gov)$", code))])
    error_message = "Each of model_access.geographies must be a prefix of inference profiles without its dot: \"eu\", \"us\", \"jp\", \"au\", \"ca\", \"apac\", \"us-gov\" or \"global\"."
  }

  validation {
    condition     = var.model_access.regions == null ? true : length(var.model_access.regions) > 0 && alltrue([for region in var.model_access.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "model_access.regions must have at least one Region, such as \"eu-west-1\", and no wildcard. Leave it out for every Region."
  }
}

locals {
  # Of an inference profile, as a regular expression.
  geography_pattern = join("|", var.model_access.geographies == null ? ["[a-z]{2}", "apac", "global", "us-gov"] : var.model_access.geographies)
}

variable "model_id" {
  description = "Default model of `job.ask`: an ID, or an inference profile such as \"eu.anthropic.claude-sonnet-4-5-20250929-v1:0\". Analyses can name another one."
  type        = string
  default     = null

  validation {
    # The same rule as in the role's policy. Without this check the first job would fail with AccessDenied.
    condition = var.model_id == null ? true : startswith(var.model_id, "gemini-") ? contains(keys(var.worker.secrets), "GEMINI_API_KEY") : contains(var.application_inference_profile_arns, var.model_id) || anytrue([
      for pattern in var.bedrock_model_ids : can(regex("(^|^(${local.geography_pattern})\\.|:foundation-model/|:inference-profile/(${local.geography_pattern})\\.)${replace(replace(pattern, ".", "\\."), "*", ".*")}$", var.model_id))
    ])
    error_message = "model_id is not allowed by bedrock_model_ids and model_access, so Bedrock would deny every call: add a pattern for it, for example \"anthropic.claude-sonnet-4-5-*\", or add its ARN to application_inference_profile_arns. A Gemini model needs the ARN of its API key: worker = { secrets = { GEMINI_API_KEY = … } }."
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
