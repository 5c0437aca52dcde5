# The real provider, for its own checks. With overrides and plans only, it makes no request.
provider "aws" {
  access_key                  = "test"
  region                      = "eu-west-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

override_resource {
  target          = aws_s3_bucket.this
  override_during = plan
  values = {
    arn = "arn:aws:s3:::rfp-artifacts"
    id  = "rfp-artifacts"
  }
}

variables {
  name = "rfp-artifacts"
  tags = { system = "rfp" }
}

run "a_bucket_with_its_defaults" {
  command = plan

  assert {
    condition     = [output.name, output.arn, aws_s3_bucket.this.tags.system] == ["rfp-artifacts", "arn:aws:s3:::rfp-artifacts", "rfp"]
    error_message = "The bucket has its name and its tags."
  }

  assert {
    condition     = !aws_s3_bucket.this.force_destroy && aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "The bucket must keep versions and survive a destroy."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "Objects are encrypted with S3's key."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Public access must be blocked."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "The bucket's owner owns every object."
  }

  assert {
    condition     = length(aws_s3_bucket_cors_configuration.this) == 0
    error_message = "Without origins there must be no CORS."
  }

  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : "${rule.id} ${rule.abort_incomplete_multipart_upload[0].days_after_initiation} ${rule.expiration[0].expired_object_delete_marker}"] == [
      "unfinished 7 true",
    ]
    error_message = "Unfinished uploads must expire after a week, and lone delete markers at once."
  }

  assert {
    condition = toset([
      aws_s3_bucket_lifecycle_configuration.this.bucket,
      aws_s3_bucket_ownership_controls.this.bucket,
      aws_s3_bucket_policy.this.bucket,
      aws_s3_bucket_public_access_block.this.bucket,
      aws_s3_bucket_server_side_encryption_configuration.this.bucket,
      aws_s3_bucket_versioning.this.bucket,
    ]) == toset(["rfp-artifacts"])
    error_message = "Each setting is on the bucket."
  }
}

run "everything_set" {
  command = plan

  variables {
    cors          = { allowed_origins = ["https://app.example.com"] }
    force_destroy = true
    kms_key_arn   = "arn:aws:kms:eu-west-1:111122223333:key/0f7a"
    lifecycle_rules = {
      "jobs/"    = {}
      "uploads/" = { expire_after_days = 7, noncurrent_after_days = 1 }
    }
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy
    error_message = "The bucket may be destroyed with its content."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == "arn:aws:kms:eu-west-1:111122223333:key/0f7a"
    error_message = "Objects are encrypted with the key."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "The bucket must use a bucket key, which saves calls to KMS."
  }

  assert {
    condition = [for rule in aws_s3_bucket_cors_configuration.this[0].cors_rule : [rule.allowed_methods, rule.allowed_origins, rule.allowed_headers, rule.max_age_seconds]] == [
      [toset(["POST"]), toset(["https://app.example.com"]), toset(["*"]), 3600],
    ]
    error_message = "A page of the origin may send a presigned POST."
  }

  assert {
    condition     = { for rule in slice(aws_s3_bucket_lifecycle_configuration.this.rule, 1, 3) : rule.filter[0].prefix => rule.noncurrent_version_expiration[0].noncurrent_days } == { "jobs/" = 30, "uploads/" = 1 }
    error_message = "Replaced versions must expire by prefix."
  }

  assert {
    condition     = { for rule in slice(aws_s3_bucket_lifecycle_configuration.this.rule, 1, 3) : rule.filter[0].prefix => [for expiration in rule.expiration : expiration.days] } == { "jobs/" = [], "uploads/" = [7] }
    error_message = "Objects must expire by prefix, and be kept by default."
  }
}
