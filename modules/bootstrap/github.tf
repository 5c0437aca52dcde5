locals {
  issuer   = "token.actions.githubusercontent.com"
  provider = var.github.oidc_provider_arn != null ? var.github.oidc_provider_arn : one(aws_iam_openid_connect_provider.github[*].arn)
  audience = "sts.${local.suffix}"

  # https://docs.github.com/en/actions/reference/security/oidc: a job that names an environment has that in its subject, and
  # nothing about its branch. Which branches may use an environment is a rule of the environment on GitHub.
  of_environment = "repo:${var.github.repository}:environment:${var.github.environment}"
  subjects = {
    deploy = [local.of_environment]
    plan   = concat([local.of_environment], [for subject in var.github.plan_subjects : "repo:${var.github.repository}:${subject}"])
  }
}

# IAM trusts the certificate authority of GitHub's endpoint itself, so the provider needs no thumbprint.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.github.oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = [local.audience]
  tags           = var.tags
}

resource "aws_iam_role" "this" {
  for_each = local.subjects

  name                 = "${var.name}-${each.key}"
  path                 = local.path
  description          = each.key == "plan" ? "Reads the stack ${var.name}, to plan it." : "Deploys the stack ${var.name}."
  max_session_duration = 3600
  permissions_boundary = aws_iam_policy.this["deploy-boundary"].arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "JobsOnGitHub"
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.provider }
      # Tags have different names, so a subject of the plan role may end in a wildcard.
      Condition = {
        StringEquals = { "${local.issuer}:aud" = local.audience }
        StringLike   = { "${local.issuer}:sub" = each.value }
      }
    }]
  })
}
