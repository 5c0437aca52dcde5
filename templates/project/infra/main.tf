provider "aws" {
  region = var.region
}

module "analysis_jobs" {
  source = "{{module}}"

  name              = var.name
  package           = { manifest = var.package }
  analyses          = ["letter_summary"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  model_id          = var.model_id

  api                 = { authorizer = var.authorizer }
  alarms              = { email = var.alarm_emails }
  deletion_protection = var.deletion_protection
}
