# Professional credentials: certificates, licences and registrations are read, validated and passed to a reviewer.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["credential_extraction"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  model_id          = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

  # The jobs of one document run in submission order.
  queue = { fifo = true }
  lanes = { medium = { maximum_concurrency = coalesce(var.settings.maximum_concurrency, local.reserved_concurrency) } }
  lease = var.settings.lease

  worker = {
    timeout_s            = 300
    memory_mb            = 1024
    reserved_concurrency = local.reserved_concurrency
    secrets              = { DATABASE_SECRET = var.database_secret_arn }
    vpc                  = var.vpc
  }

  api = {
    authorizer = var.settings.authorizer
    cors       = { allow_origins = var.settings.web_origins }
    routes     = ["POST /documents/{id}/extract", "GET /documents/{id}/extraction"]
  }

  alarms              = { email = var.settings.alarm_emails }
  deletion_protection = var.settings.deletion_protection
  environment         = var.settings.environment
}

locals {
  # The number of database connections: each worker keeps one.
  reserved_concurrency = 10
}
