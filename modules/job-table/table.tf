locals {
  # The indexes have keys only. An update that changes no index key then costs one write instead of one for each index.
  # Job IDs sort by time, so an index with `item` as its range key, read backwards, lists the newest jobs first.
  indexes = [
    { name = "by-client", hash_key = "tenant_client", range_key = "item" },
    { name = "by-status", hash_key = "tenant_status", range_key = "item" },
    { name = "by-subject", hash_key = "tenant_subject", range_key = "item" },
    { name = "due", hash_key = "due_shard", range_key = "due_at" },
    { name = "waiting", hash_key = "lane", range_key = "waiting" },
  ]

  key_types = {
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
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = "tenant"
  range_key                   = "item"
  stream_enabled              = var.stream
  stream_view_type            = var.stream ? "NEW_AND_OLD_IMAGES" : null
  tags                        = var.tags

  dynamic "attribute" {
    for_each = local.key_types

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = { for index in local.indexes : index.name => index }

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      projection_type = "KEYS_ONLY"
      range_key       = global_secondary_index.value.range_key
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}
