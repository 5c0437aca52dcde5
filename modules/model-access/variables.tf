variable "application_inference_profile_arns" {
  description = "ARNs of application inference profiles. Their IDs say nothing of the model, so each is named; the model behind it must be admitted by `model_ids`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([for arn in var.application_inference_profile_arns :
      can(regex("^arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:application-inference-profile/[a-z0-9]+$", arn))
    ])
    error_message = "An application inference profile is named by its whole ARN, without a wildcard: write application_inference_profile_arns like arn:PARTITION:bedrock:REGION:ACCOUNT:application-inference-profile/ID."
  }
}

variable "marketplace" {
  description = "Whether the models may be subscribed to on AWS Marketplace at their first use, which some vendors' models need."
  type        = bool
  default     = false
  nullable    = false
}

variable "model_ids" {
  description = "Models that may be invoked: \"VENDOR.MODEL\", where * in MODEL stands for any characters. Each admits the model itself and its geographic and global inference profiles, in every Region."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.model_ids) > 0
    error_message = "No model, no analysis: give model_ids at least one, as in \"anthropic.claude-sonnet-4-5-*\"."
  }

  validation {
    condition     = alltrue([for id in var.model_ids : can(regex("^[a-z0-9-]+\\.[A-Za-z0-9*._:-]+$", id))])
    error_message = "A model is named as VENDOR.MODEL, and only MODEL may hold a *: write model_ids like \"anthropic.claude-sonnet-4-5-*\"; \"*\", \"claude-*\" and \"*.claude-*\" are not accepted."
  }

  validation {
    condition     = !anytrue([for id in var.model_ids : can(regex("^([a-z]{2}|apac|global|us-gov)\\.", id))])
    error_message = "A model ID stands for all its geographies: take the prefix (\"us.\", \"eu.\", \"apac.\", \"global.\" …) off model_ids, as in \"anthropic.claude-sonnet-4-5-*\"."
  }
}
