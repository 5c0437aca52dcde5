# Grant proposals: the web page of a proposal starts the analysis of its call for proposals, and polls for the brief.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["rfp_analysis"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  model_id          = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

  worker = { timeout_s = 900, memory_mb = 1024 }
  lanes  = { medium = { maximum_concurrency = var.settings.maximum_concurrency } }
  lease  = var.settings.lease

  api = {
    timeout_s  = 30
    authorizer = var.settings.authorizer
    cors       = { allow_origins = var.settings.web_origins }
    routes     = ["POST /proposals/{id}/analyze-rfp", "GET /proposals/{id}/analysis-status"]
  }

  # Besides the event bus, there is a topic that reports ended jobs.
  events = { sns = true }

  alarms              = { email = var.settings.alarm_emails }
  deletion_protection = var.settings.deletion_protection
  environment         = var.settings.environment
}
