data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  bedrock = "arn:${data.aws_partition.current.partition}:bedrock"

  # The ID of a profile is GEOGRAPHY.VENDOR.MODEL. In IAM * also matches dots, so "*.anthropic.claude-…" would also match
  # "us.other.anthropic.claude-…" of another vendor. A ? matches one character: "??" matches us, eu, jp, au, ca and future
  # codes of two letters, and cannot match a vendor. The longer codes are listed.
  geographies = var.geographies == null ? ["??", "apac", "global", "us-gov"] : var.geographies

  regions = var.regions == null ? ["*"] : var.regions

  # A call through a profile needs the right to the profile and to the model in each destination Region. A global profile
  # needs the model's ARN without a Region. A * matches that too; it is listed to make the policy readable.
  foundation_models = flatten([for id in var.model_ids : [
    for region in concat(local.regions, contains(local.geographies, "global") ? [""] : []) :
    "${local.bedrock}:${region}::foundation-model/${id}"
  ]])

  # The Region of a profile's ARN is the one that the role calls.
  inference_profiles = [for each in setproduct(local.geographies, local.regions, var.model_ids) :
    "${local.bedrock}:${each[1]}:${data.aws_caller_identity.current.account_id}:inference-profile/${each[0]}.${each[2]}"
  ]

  invoke = {
    # Converse needs InvokeModel, ConverseStream needs InvokeModelWithResponseStream.
    actions    = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    conditions = []
    resources  = concat(local.foundation_models, local.inference_profiles, var.application_inference_profile_arns)
  }

  # The actions of AWS Marketplace support no resource but "*". Without the condition the role could buy any product.
  subscriptions = {
    models_subscribe = {
      actions    = ["aws-marketplace:Subscribe"]
      conditions = [{ test = "ForAnyValue:StringEquals", variable = "aws-marketplace:ProductId", values = var.marketplace.product_ids }]
      resources  = ["*"]
    }
    # Supports no condition key.
    subscriptions_view = {
      actions    = ["aws-marketplace:ViewSubscriptions"]
      conditions = []
      resources  = ["*"]
    }
  }

  statements = merge({ models_invoke = local.invoke }, { for name, statement in local.subscriptions : name => statement if length(var.marketplace.product_ids) > 0 })
}
