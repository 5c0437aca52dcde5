module "job_table" {
  source = "../job-table"

  name                = local.names.table
  deletion_protection = var.deletion_protection
  tags                = var.tags
}

module "artifact_bucket" {
  source = "../artifact-bucket"

  name          = local.names.bucket
  force_destroy = !var.deletion_protection
  tags          = var.tags

  # The web pages that call the API also upload to the bucket and download from it.
  cors = { allowed_methods = ["GET", "POST"], allowed_origins = local.web_origins }

  lifecycle_rules = {
    "uploads/" = { expire_after_days = coalesce(var.retention.uploads_days, var.retention.jobs_days), noncurrent_after_days = 7 }
    "jobs/"    = { expire_after_days = coalesce(var.retention.artifacts_days, var.retention.jobs_days), noncurrent_after_days = 7 }
  }
}
