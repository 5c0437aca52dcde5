output "deploy_role_arn" {
  description = "ARN of the role that deploys, for the jobs of the environment on GitHub."
  value       = aws_iam_role.this["deploy"].arn
  # The role is of no use before its rights are attached.
  depends_on = [aws_iam_role_policy_attachment.this]
}

output "functions_boundary_arn" {
  description = "ARN of the permissions boundary that the roles of the stack must have: `role.permissions_boundary_arn` of its module."
  value       = aws_iam_policy.this["functions"].arn
}

output "oidc_provider_arn" {
  description = "ARN of the account's OIDC provider for GitHub, for another environment in the same account."
  value       = local.provider
}

output "package_bucket" {
  description = "Name of the bucket for packages, null without one."
  value       = var.packages == null ? null : var.packages.create ? one(module.packages[*].name) : local.package_bucket
}

output "plan_role_arn" {
  description = "ARN of the role that reads, for plans. It cannot lock the state: plan with `-lock=false`."
  value       = aws_iam_role.this["plan"].arn
  depends_on  = [aws_iam_role_policy_attachment.this]
}

output "policies" {
  description = "The policies as JSON, by their names."
  value       = { for name, policy in local.policies : name => policy.text }
}

output "region" {
  description = "Region of the stack."
  value       = local.region
}

output "state" {
  description = "Where Terraform's state is: the `bucket`, the `key` of the stack's state, and the `bootstrap_key` for the state of this module."
  value = {
    bootstrap_key = "bootstrap/${var.name}.tfstate"
    bucket        = module.state.name
    key           = local.state_key
  }
}

output "subjects" {
  description = "The subjects of GitHub's tokens that may take each role: `deploy` and `plan`."
  value       = local.subjects
}
