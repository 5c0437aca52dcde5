# What a team adds to a stack that has an API already. Its own backend submits the jobs: see backend.tf and backend.py.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["ticket_triage"]
  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  # Pages read the status of a job from this API, with the same tokens as those of the backend.
  api         = { authorizer = var.authorizer }
  environment = var.environment

  # So that `terraform destroy` removes a stack that was made to try it out. Leave it out in production.
  deletion_protection = false
}

resource "aws_iam_role_policy" "submit" {
  name   = "submit-jobs"
  role   = aws_iam_role.backend.name
  policy = module.analysis_jobs.submit_policy_json
}

locals {
  # The library in the backend reads these. They must name the same analyses and queues as the module's own functions.
  submit_environment = {
    ANALYSES    = "ticket_triage"
    BUCKET_NAME = module.analysis_jobs.bucket_name
    QUEUE_URLS  = jsonencode(module.analysis_jobs.queue_urls)
    TABLE_NAME  = module.analysis_jobs.table_name
  }
}
