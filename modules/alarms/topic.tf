data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
}

# CloudWatch cannot use the AWS managed key of SNS: its alarms would fail silently.
resource "aws_kms_key" "alarms" {
  count = var.topics == null && var.encryption == null ? 1 : 0

  description             = "Encrypts the alarms of ${var.name} in SNS."
  deletion_window_in_days = 7
  enable_key_rotation     = true
  # The deploy role of modules/bootstrap may change the keys with this tag only: a key has no name.
  tags = merge(var.tags, { "analysis-jobs:key" = "${var.name}-alarms" })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDecidesByIam"
        Effect    = "Allow"
        Action    = "kms:*"
        Resource  = "*"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      },
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "alarms" {
  count = var.topics == null && var.encryption == null ? 1 : 0

  name          = "alias/${var.name}-alarms"
  target_key_id = aws_kms_key.alarms[0].key_id
}

resource "aws_sns_topic" "alarms" {
  count = var.topics == null ? 1 : 0

  name              = "${var.name}-alarms"
  kms_master_key_id = var.encryption == null ? aws_kms_key.alarms[0].arn : var.encryption.key_arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "alarms" {
  count = var.topics == null ? 1 : 0

  arn = aws_sns_topic.alarms[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisStack"
        Effect    = "Allow"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Condition = {
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms[0].arn
        Principal = "*"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.email)

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.value
}

moved {
  from = aws_kms_alias.alarms
  to   = aws_kms_alias.alarms[0]
}

moved {
  from = aws_kms_key.alarms
  to   = aws_kms_key.alarms[0]
}

moved {
  from = aws_sns_topic.alarms
  to   = aws_sns_topic.alarms[0]
}

moved {
  from = aws_sns_topic_policy.alarms
  to   = aws_sns_topic_policy.alarms[0]
}
