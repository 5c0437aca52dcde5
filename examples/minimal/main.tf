module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["letter_summary"]
  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  api         = { authorizer = var.authorizer }
  environment = var.environment

  # So that `terraform destroy` removes a stack that was made to try it out. Leave it out in production.
  deletion_protection = false
}
