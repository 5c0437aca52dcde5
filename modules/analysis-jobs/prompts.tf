# Prompts are data: changed without a deployment, and found by key. `prompt` is "<section>/<sub_section>#<category>",
# `version` is "active" for the one in use, "v000001" and so on for what it was.
resource "aws_dynamodb_table" "prompts" {
  name                        = "${var.name}-prompts"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "prompt"
  range_key                   = "version"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "prompt"
    type = "S"
  }

  attribute {
    name = "version"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
