mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { dns_suffix = "amazonaws.com", partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/analysis-jobs/eu-west-1/rfp-staging-deploy-boundary" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::a-bucket", id = "a-bucket" }
  }
}

variables {
  name   = "rfp-staging"
  github = { environment = "staging", repository = "acme/proposals" }
}

run "an_environment_with_the_defaults" {
  command = plan

  assert {
    condition     = { for name, role in aws_iam_role.this : name => [role.name, role.path, role.permissions_boundary] } == { for name in ["deploy", "plan"] : name => ["rfp-staging-${name}", "/analysis-jobs/eu-west-1/", "arn:aws:iam::111122223333:policy/analysis-jobs/eu-west-1/rfp-staging-deploy-boundary"] }
    error_message = "Both roles are below a path of their own and have the boundary."
  }

  assert {
    condition = output.subjects == {
      deploy = ["repo:acme/proposals:environment:staging"]
      plan   = ["repo:acme/proposals:environment:staging", "repo:acme/proposals:pull_request", "repo:acme/proposals:ref:refs/heads/main", "repo:acme/proposals:ref:refs/tags/v*"]
    }
    error_message = "Only jobs of the environment deploy. Pull requests, main and versions may plan."
  }

  assert {
    condition = { for name, role in aws_iam_role.this : name => jsondecode(role.assume_role_policy).Statement } == { for name, subjects in output.subjects : name => [{
      Sid       = "JobsOnGitHub"
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike   = { "token.actions.githubusercontent.com:sub" = subjects }
      }
    }] }
    error_message = "A role trusts the tokens of its subjects, for AWS only."
  }

  assert {
    condition     = !strcontains(join(" ", output.subjects.deploy), "*")
    error_message = "No subject of the deploy role has a wildcard."
  }

  assert {
    condition     = [aws_iam_openid_connect_provider.github[0].url, aws_iam_openid_connect_provider.github[0].client_id_list] == ["https://token.actions.githubusercontent.com", toset(["sts.amazonaws.com"])]
    error_message = "The provider is that of GitHub Actions."
  }

  assert {
    condition     = keys(aws_iam_role_policy_attachment.this) == ["deploy/deploy-access", "deploy/deploy-compute", "deploy/deploy-data", "deploy/read", "plan/read"]
    error_message = "The plan role has the policy that reads, and no other."
  }

  assert {
    condition     = local.state_bucket == "tfstate-rfp-staging-111122223333-eu-west-1" && output.state.key == "analysis-jobs/staging.tfstate" && output.state.bootstrap_key == "bootstrap/rfp-staging.tfstate"
    error_message = "The state has a bucket whose name does not begin with that of the stack."
  }

  assert {
    condition     = output.package_bucket == null && length(module.packages) == 0
    error_message = "Without packages there is no bucket for them."
  }
}

run "everything_set" {
  command = plan

  variables {
    github = {
      environment       = "production"
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      plan_subjects     = ["ref:refs/tags/v1"]
      repository        = "acme@123/proposals@456"
    }
    extra = {
      code_signing_config_arns = ["arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdefg"]
      domains                  = ["jobs.example.com"]
      function_statements      = [{ actions = ["dynamodb:GetItem"], resources = ["arn:aws:dynamodb:eu-west-1:111122223333:table/customers"] }]
      hosted_zone_ids          = ["Z0123456789"]
      kms_key_arns             = ["arn:aws:kms:eu-west-1:111122223333:key/0f7a"]
      layer_arns               = ["arn:aws:lambda:eu-west-1:901920570463:layer:aws-otel-python-arm64-ver-1-32-0:2"]
      secret_arns              = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared-database-AbCdEf"]
      topic_arns               = ["arn:aws:sns:eu-west-1:111122223333:ended"]
      truststores              = ["arn:aws:s3:::acme-trust/clients.pem"]
      vpc                      = true
    }
    name_prefixes = ["acme-proposals-"]
    packages      = { create = true }
    role          = { name_prefix = "team-", path = "/teams/" }
    state         = { bucket = "acme-tfstate", key = "proposals/production.tfstate", kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1a2b", noncurrent_days = 365 }
  }

  assert {
    condition     = output.subjects == { deploy = ["repo:acme@123/proposals@456:environment:production"], plan = ["repo:acme@123/proposals@456:environment:production", "repo:acme@123/proposals@456:ref:refs/tags/v1"] }
    error_message = "The subjects have the numbers of owner and repository."
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && output.oidc_provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "The account's provider is used."
  }

  assert {
    condition     = output.state.key == "proposals/production.tfstate" && local.state_bucket == "acme-tfstate" && local.package_bucket == "packages-rfp-staging-111122223333-eu-west-1"
    error_message = "The state is where the settings say."
  }
}

run "in_another_partition" {
  command = plan

  override_data {
    target = data.aws_partition.current
    values = { dns_suffix = "amazonaws.com.cn", partition = "aws-cn" }
  }

  assert {
    condition     = alltrue([for text in values(output.policies) : !strcontains(text, "arn:aws:")]) && local.audience == "sts.amazonaws.com.cn"
    error_message = "Each ARN has the partition of the account."
  }
}

run "the_longest_names" {
  command = plan

  variables {
    name          = "a-name-of-25-characters-x"
    name_prefixes = ["another-name-of-25-characters-"]
    role          = { name_prefix = "platform-team-", path = "/teams/platform/" }
    extra         = { domains = ["analysis.jobs.example.com"], hosted_zone_ids = ["Z0123456789ABCDEFGHIJ"], vpc = true }
  }

  override_data {
    target = data.aws_region.current
    values = { id = "ap-southeast-5" }
  }

  assert {
    condition     = alltrue([for text in values(output.policies) : length(text) <= 6144])
    error_message = "Each policy must fit the 6144 characters of IAM."
  }
}

# As tools/deploy_rights/account.tf: tests/modules/test_deploy_rights.py compares its policies with the recorded rights.
run "the_recorded_account" {
  command = plan

  variables {
    name     = "letters-recorded"
    github   = { environment = "recorded", repository = "acme/letters" }
    packages = { create = true }

    extra = {
      code_signing_config_arns = ["arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdefg"]
      domains                  = ["letters.example.com"]
      hosted_zone_ids          = ["ZONE"]
      kms_key_arns             = ["arn:aws:kms:eu-west-1:111122223333:key/ID"]
      layer_arns               = ["arn:aws:lambda:eu-west-1:111122223333:layer:telemetry:1"]
      topic_arns               = ["arn:aws:sns:eu-west-1:111122223333:ended"]
      truststores              = ["arn:aws:s3:::acme-trust/clients.pem"]
      vpc                      = true
    }
    state = { kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1a2b" }
  }

  assert {
    condition     = length(output.policies) == 6
    error_message = "A test reads the policies."
  }
}
