# Terraform's state. Versioned: an earlier state can be restored. The lock is a file beside the state.
module "state" {
  source = "../artifact-bucket"

  name            = local.state_bucket
  kms_key_arn     = var.state.kms_key_arn
  lifecycle_rules = { "" = { noncurrent_after_days = var.state.noncurrent_days } }
  tags            = var.tags
}

# Versioned, because a version pins the bytes that are deployed. A package that is deployed is not a noncurrent version: its
# key has its hash.
module "packages" {
  source = "../artifact-bucket"
  count  = try(var.packages.create, false) ? 1 : 0

  name            = local.package_bucket
  lifecycle_rules = { "" = { noncurrent_after_days = 30 } }
  tags            = var.tags
}
