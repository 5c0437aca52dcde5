data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  bedrock = "arn:${data.aws_partition.current.partition}:bedrock"

  # A profile's ID is GEOGRAPHY.VENDOR.MODEL. An IAM * also matches dots, so that "*.anthropic.claude-…" would admit another
  # vendor's "us.other.anthropic.claude-…". A ? is one character: "??" is us, eu, jp, au, ca and each such code to come, and
  # too short to hold a vendor beside a geography. The longer ones are spelt out.
  geographies = ["??", "apac", "global", "us-gov"]

  # A profile needs the right to itself AND to the model in each Region that it may send a request to. A global one asks
  # for the model's ARN without a Region. IAM would match that with * too; it is named for whoever reads the policy.
  foundation_models = flatten([for id in var.model_ids : [
    "${local.bedrock}:*::foundation-model/${id}",
    "${local.bedrock}:::foundation-model/${id}",
  ]])

  inference_profiles = [for pair in setproduct(local.geographies, var.model_ids) :
    "${local.bedrock}:*:${data.aws_caller_identity.current.account_id}:inference-profile/${pair[0]}.${pair[1]}"
  ]

  invoke = {
    # Converse is authorised as InvokeModel, ConverseStream as InvokeModelWithResponseStream.
    actions    = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    conditions = []
    resources  = concat(local.foundation_models, local.inference_profiles, var.application_inference_profile_arns)
  }

  # AWS Marketplace knows no resource of these actions, only "*".
  subscribe = {
    actions    = ["aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions"]
    conditions = []
    resources  = ["*"]
  }

  statements = merge({ models_invoke = local.invoke }, var.marketplace ? { models_subscribe = local.subscribe } : {})
}
