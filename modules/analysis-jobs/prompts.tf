# Prompts can change without a deployment. Workers read the item "active" of the key
# "<section>/<sub_section>#<category>". The key "<section>/<sub_section>" has the versions, the history, and which version
# is active.
resource "aws_dynamodb_table" "prompts" {
  name                        = "${var.name}-prompts"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "prompt"
  range_key                   = "item"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "item"
    type = "S"
  }

  attribute {
    name = "prompt"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = one(var.encryption[*].key_arn)
  }
}
