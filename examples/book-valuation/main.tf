# An antiquarian book catalogue. The page of a book starts an appraisal, which takes minutes, and shows the value.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["book_valuation"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*", "anthropic.claude-opus-4-5-*"]
  model_id          = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

  queue = {
    dead_letter_retention_s = 14 * 86400
    max_receive_count       = 2
    retention_s             = 4 * 86400
    visibility_timeout_s    = 660
  }
  lanes = { medium = { maximum_concurrency = var.settings.maximum_concurrency } }
  lease = var.settings.lease

  worker = {
    jobs_per_invocation = 1
    memory_mb           = 256
    secrets             = { DATABASE_SECRET = var.database_secret_arn }
    timeout_s           = 600
    vpc                 = var.vpc
  }

  api = {
    authorizer = var.settings.authorizer
    cors       = { allow_origins = var.settings.web_origins }
    routes     = ["POST /books/{id}/analysis/generate-async", "GET /books/{id}/analysis/status"]
  }

  alarms              = { email = var.settings.alarm_emails }
  deletion_protection = var.settings.deletion_protection
  environment         = var.settings.environment
}
