module "job_table" {
  source = "../job-table"

  name                = local.names.table
  deletion_protection = var.deletion_protection
  kms_key_arn         = one(var.encryption[*].key_arn)
  tags                = var.tags
}

module "artifact_bucket" {
  source = "../artifact-bucket"
  count  = var.bucket == null ? 1 : 0

  name            = local.names.bucket
  force_destroy   = !var.deletion_protection
  kms_key_arn     = one(var.encryption[*].key_arn)
  cors            = local.bucket_cors
  lifecycle_rules = local.bucket_rules
  tags            = var.tags
}

locals {
  # The web pages that call the API also upload to the bucket and download from it.
  bucket_cors = { allowed_methods = ["GET", "POST"], allowed_origins = local.web_origins }

  bucket_rules = {
    "uploads/" = { expire_after_days = coalesce(var.retention.uploads_days, var.retention.jobs_days), noncurrent_after_days = 7 }
    "jobs/"    = { expire_after_days = coalesce(var.retention.artifacts_days, var.retention.jobs_days), noncurrent_after_days = 7 }
  }
}
