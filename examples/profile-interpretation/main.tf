# Chat profiles: a user's messages become a profile. Three triggers of different urgency keep it up to date.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["profile_interpretation"]
  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  # Each lane has its own workers, so a manual request never waits behind the automatic ones.
  lanes = {
    for lane, at_once in { high = 10, medium = 6, low = 4 } : lane => {
      maximum_concurrency       = coalesce(var.settings.maximum_concurrency, at_once)
    }
  }
  lease  = var.settings.lease
  worker = { timeout_s = 300, memory_mb = 512 }

  api = {
    authorizer = var.settings.authorizer
    cors       = { allow_origins = var.settings.web_origins }
    routes     = ["POST /api/profile/analyze", "GET /api/profile/{user_id}/{context}/status"]
  }

  alarms              = { email = var.settings.alarm_emails }
  deletion_protection = var.settings.deletion_protection
  environment         = var.settings.environment
}
