# What a team adds to a stack that has an API already. Its own backend submits the jobs: see backend.tf and backend.py.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["ticket_triage"]
  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  # The API of the jobs themselves, for the command line. The backend does not call it. Leave it out with `api = null`.
  api         = { authorizer = var.authorizer }
  environment = var.environment

  # So that `terraform destroy` removes a stack that was made to try it out. Leave it out in production.
  deletion_protection = false
}

# The rights by need. The backend cannot run a failed job again, for example: that would be `retry`.
resource "aws_iam_role_policy" "jobs" {
  for_each = toset(["cancel", "read", "submit"])

  name   = "jobs-${each.key}"
  role   = aws_iam_role.backend.name
  policy = module.analysis_jobs.policies[each.key]
}
