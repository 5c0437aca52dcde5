# The real provider, because it knows the partition of a Region. The account is overridden, so it makes no request.
provider "aws" {
  access_key                  = "test"
  region                      = "eu-west-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "china"
  access_key                  = "test"
  region                      = "cn-north-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

variables {
  model_ids = ["anthropic.claude-sonnet-4-5-*"]
}

run "one_family" {
  command = plan

  assert {
    condition     = keys(output.statements) == ["models_invoke"]
    error_message = "Subscriptions to models must be denied by default."
  }

  assert {
    condition     = output.statements.models_invoke.actions == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    error_message = "Both ways to invoke a model are allowed, and nothing else."
  }
}

run "one_family_in_china" {
  command = plan

  providers = { aws = aws.china }

  assert {
    condition     = alltrue([for arn in output.statements.models_invoke.resources : startswith(arn, "arn:aws-cn:bedrock:")])
    error_message = "The partition comes from the provider."
  }
}

run "everything_set" {
  command = plan

  variables {
    application_inference_profile_arns = ["arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/0a1b2c3d4e5f"]
    marketplace                        = { product_ids = ["prod-mxcfnwvpd6kb4", "c468b48a-84df-43a4-8c46-8870630108a7"] }
    model_ids                          = ["amazon.nova-lite-v1:0", "anthropic.claude-sonnet-4-5-*"]
  }

  assert {
    condition     = keys(output.statements) == ["models_invoke", "models_subscribe", "subscriptions_view"]
    error_message = "Subscriptions to models must be allowed."
  }

  assert {
    condition     = [for statement in output.statements : join(",", statement.actions)] == ["bedrock:InvokeModel,bedrock:InvokeModelWithResponseStream", "aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions"]
    error_message = "The role may subscribe to a model, but not unsubscribe."
  }

  assert {
    condition     = [for condition in output.statements.models_subscribe.conditions : "${condition.test} ${condition.variable} ${join(",", condition.values)}"] == ["ForAnyValue:StringEquals aws-marketplace:ProductId prod-mxcfnwvpd6kb4,c468b48a-84df-43a4-8c46-8870630108a7"]
    error_message = "The role may buy the products named, and no others."
  }
}

run "only_in_europe" {
  command = plan

  variables {
    geographies = ["eu"]
    regions     = ["eu-central-1", "eu-west-1"]
  }

  assert {
    condition     = length(output.statements.models_invoke.resources) == 4
    error_message = "One model and one profile in each of the two Regions."
  }
}

run "global_from_one_region" {
  command = plan

  variables {
    geographies = ["global"]
    regions     = ["eu-west-1"]
  }

  assert {
    condition     = contains(output.statements.models_invoke.resources, "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-5-*")
    error_message = "A global profile needs the model without a Region."
  }
}

run "no_profile_at_all" {
  command = plan

  variables {
    geographies = []
  }

  assert {
    condition     = output.statements.models_invoke.resources == ["arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-*"]
    error_message = "The models of every Region, and no profile."
  }
}
