variable "application_inference_profile_arns" {
  description = "ARNs of application inference profiles. Their IDs do not contain the model, so each ARN must be listed, and `model_ids` must allow the model behind it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([for arn in var.application_inference_profile_arns :
      can(regex("^arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:application-inference-profile/[a-z0-9]+$", arn))
    ])
    error_message = "Each of application_inference_profile_arns must be a full ARN without a wildcard: arn:PARTITION:bedrock:REGION:ACCOUNT:application-inference-profile/ID."
  }
}

variable "geographies" {
  description = "Geographies of the inference profiles that may be called, for example [\"eu\"]. \"global\" is the profile that may route a request to any commercial Region. Null allows all of them, an empty list none: the models of the called Region only."
  type        = list(string)
  default     = null

  validation {
    condition     = var.geographies == null ? true : alltrue([for code in var.geographies : can(regex("^([a-z]{2}|apac|global|us-gov)$", code))])
    error_message = "Each of geographies must be a prefix of inference profiles without its dot: \"eu\", \"us\", \"jp\", \"au\", \"ca\", \"apac\", \"us-gov\" or \"global\"."
  }
}

variable "marketplace" {
  description = "Subscriptions on AWS Marketplace that the role may make, by the product IDs of the models: the first use of some vendors' models in an account makes one. The Bedrock user guide lists the IDs under \"Use product ID condition keys to control access\"."
  type        = object({ product_ids = optional(list(string), []) })
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in var.marketplace.product_ids : can(regex("^(prod(view)?-[a-z0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", id))])
    error_message = "Each of marketplace.product_ids must be a product ID of AWS Marketplace, for example \"prod-mxcfnwvpd6kb4\". IDs of models and wildcards are refused."
  }
}

variable "model_ids" {
  description = "Models that may be invoked, as \"VENDOR.MODEL\". In MODEL, * matches any characters. Each entry allows the model and its geographic and global inference profiles, in every Region, unless `geographies` or `regions` says otherwise."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.model_ids) > 0
    error_message = "model_ids must have at least one entry, for example \"anthropic.claude-sonnet-4-5-*\"."
  }

  validation {
    condition     = alltrue([for id in var.model_ids : can(regex("^[a-z0-9-]+\\.[A-Za-z0-9*._:-]+$", id))])
    error_message = "Each of model_ids must be \"VENDOR.MODEL\" with * in MODEL only, for example \"anthropic.claude-sonnet-4-5-*\". \"*\", \"claude-*\" and \"*.claude-*\" are refused."
  }

  validation {
    condition     = !anytrue([for id in var.model_ids : can(regex("^([a-z]{2}|apac|global|us-gov)\\.", id))])
    error_message = "model_ids must not begin with a geography (\"us.\", \"eu.\", \"apac.\", \"global.\" …): \"anthropic.claude-sonnet-4-5-*\" covers all of them."
  }
}

variable "regions" {
  description = "Regions in which models may be invoked, for example [\"eu-central-1\", \"eu-west-1\"]. Bedrock checks the called Region, and each Region that an inference profile routes to. Null allows every Region."
  type        = list(string)
  default     = null

  validation {
    condition     = var.regions == null ? true : length(var.regions) > 0 && alltrue([for region in var.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "regions must have at least one Region, such as \"eu-west-1\", and no wildcard: a profile needs each Region that it routes to. Leave it out for every Region."
  }
}
