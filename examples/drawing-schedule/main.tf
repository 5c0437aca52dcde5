# Security drawings: an integrator uploads a drawing and downloads the schedule of its devices.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name     = var.name
  package  = var.package
  analyses = ["drawing_schedule"]

  queue     = { visibility_timeout_s = 1800, max_receive_count = 3 }
  lanes     = { medium = { maximum_concurrency = var.settings.maximum_concurrency } }
  lease     = var.settings.lease
  retention = { jobs_days = 30 }

  worker = {
    timeout_s           = 900
    memory_mb           = 3072
    jobs_per_invocation = 1
    secrets             = { GEMINI_API_KEY = var.gemini_key_arn }
  }

  api = {
    authorizer = var.settings.authorizer
    cors       = { allow_origins = var.settings.web_origins }
    routes = [
      "POST /clients/{client}/projects/{project}/drawings",
      "GET /status/{job_id}",
      "GET /download/{job_id}/{file_type}",
    ]
  }

  alarms              = { email = var.settings.alarm_emails, thresholds = { dead_letter_depth = 5 } }
  deletion_protection = var.settings.deletion_protection
  environment         = var.settings.environment
}
