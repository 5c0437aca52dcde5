# The real provider, for its own checks. With overrides and plans only, it makes no request.
provider "aws" {
  access_key                  = "test"
  region                      = "eu-west-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

override_resource {
  target          = aws_dynamodb_table.this
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs"
    stream_arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/stream/1"
  }
}

variables {
  name = "rfp-jobs"
  tags = { system = "rfp" }
}

run "a_table_with_its_defaults" {
  command = plan

  assert {
    condition     = [aws_dynamodb_table.this.name, aws_dynamodb_table.this.hash_key, aws_dynamodb_table.this.range_key] == ["rfp-jobs", "tenant", "item"]
    error_message = "The tenant must be the partition key."
  }

  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.this.tags.system == "rfp"
    error_message = "The table must be billed by request, and have the tags."
  }

  assert {
    condition = { for index in aws_dynamodb_table.this.global_secondary_index : index.name => "${index.hash_key} ${index.range_key} ${index.projection_type}" } == {
      by-client  = "tenant_client item KEYS_ONLY"
      by-status  = "tenant_status item KEYS_ONLY"
      by-subject = "tenant_subject item KEYS_ONLY"
      due        = "due_shard due_at KEYS_ONLY"
      waiting    = "lane waiting KEYS_ONLY"
    }
    error_message = "The table must have the indexes for listing, the sweeper and the order of tiers."
  }

  assert {
    condition = { for attribute in aws_dynamodb_table.this.attribute : attribute.name => attribute.type } == {
      due_at         = "N"
      due_shard      = "S"
      item           = "S"
      lane           = "S"
      tenant         = "S"
      tenant_client  = "S"
      tenant_status  = "S"
      tenant_subject = "S"
      waiting        = "S"
    }
    error_message = "Each key attribute must have its type, and no other attribute may be declared."
  }

  assert {
    condition     = aws_dynamodb_table.this.ttl[0].enabled && aws_dynamodb_table.this.ttl[0].attribute_name == "expires_at"
    error_message = "Rows must expire by `expires_at`."
  }

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "The table must have deletion protection and point-in-time recovery."
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].enabled
    error_message = "The table is encrypted with a key of the account."
  }

  assert {
    condition     = aws_dynamodb_table.this.stream_view_type == "NEW_AND_OLD_IMAGES" && output.stream_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/stream/1"
    error_message = "Changes are streamed with the old and the new item."
  }

  assert {
    condition = output.index_arns == {
      by-client  = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/by-client"
      by-status  = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/by-status"
      by-subject = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/by-subject"
      due        = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/due"
      waiting    = "arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/waiting"
    }
    error_message = "Each index has its ARN, for policies that name one."
  }
}

run "everything_set" {
  command = plan

  variables {
    deletion_protection    = false
    kms_key_arn            = "arn:aws:kms:eu-west-1:111122223333:key/0f7a"
    point_in_time_recovery = false
    stream                 = false
  }

  assert {
    condition     = !aws_dynamodb_table.this.deletion_protection_enabled && !aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Protection and recovery must be optional."
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == "arn:aws:kms:eu-west-1:111122223333:key/0f7a"
    error_message = "The table is encrypted with the key."
  }

  assert {
    condition     = !aws_dynamodb_table.this.stream_enabled && output.stream_arn == null
    error_message = "Without a stream there is no ARN of one."
  }
}
