# What a plan reads. The deploy role has the same statements. A recording of Terraform's calls shows that each action is
# needed: tests/modules/test_deploy_rights.py.
locals {
  of_stack_functions = { ArnLike = { "lambda:FunctionArn" = local.functions } }
  # The alarms' key has this tag. A key has no name that a policy could match.
  of_stack_keys = { StringLike = { "aws:ResourceTag/analysis-jobs:key" = local.prefixes } }

  read = {
    AlarmsRead     = { actions = ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"], resources = local.alarms }
    ApisRead       = { actions = ["apigateway:GET"], resources = concat(["${local.api}/apis/*"], local.domains) }
    DashboardsRead = { actions = ["cloudwatch:GetDashboard"], resources = local.dashboards }
    BucketsRead = {
      actions = [
        "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging",
        "s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning",
        "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration", "s3:ListBucket",
      ]
      resources = local.buckets
    }
    FunctionsRead = {
      actions = [
        "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionEventInvokeConfig",
        "lambda:GetFunctionRecursionConfig", "lambda:GetPolicy", "lambda:ListVersionsByFunction",
      ]
      resources = local.functions
    }
    KeyAliasesRead = { actions = ["kms:ListAliases"], resources = ["*"] }
    # Terraform asks whether a table has the key of DynamoDB.
    KeyOfDynamoDb = {
      actions   = ["kms:DescribeKey"]
      condition = { StringEquals = { "kms:RequestAlias" = "alias/aws/dynamodb" } }
      resources = [local.keys]
    }
    KeysRead = {
      actions   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
      condition = local.of_stack_keys
      resources = [local.keys]
    }
    # Supports no narrower resource, like ListAliases and GetSubscriptionAttributes.
    LogGroupsList = { actions = ["logs:DescribeLogGroups", "logs:DescribeQueryDefinitions"], resources = ["*"] }
    LogGroupsRead = { actions = ["logs:DescribeMetricFilters", "logs:ListTagsForResource"], resources = local.log_groups }
    # After its deletion a mapping has no function. Terraform asks for it until it is gone.
    MappingsRead = {
      actions   = ["lambda:GetEventSourceMapping"]
      condition = { ArnLikeIfExists = local.of_stack_functions["ArnLike"] }
      resources = [local.mappings]
    }
    # A tag request names the mapping, and not its function.
    MappingTagsRead = { actions = ["lambda:ListTags"], resources = [local.mappings] }
    PackagesRead    = { actions = ["s3:GetObject"], resources = local.package_objects }
    QueuesRead      = { actions = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"], resources = local.queues }
    RecordsRead     = { actions = ["route53:GetHostedZone", "route53:ListResourceRecordSets"], resources = local.zones }
    RolesRead       = { actions = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"], resources = local.roles }
    RulesRead       = { actions = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"], resources = local.rules }
    # Terraform lists the workspaces.
    StateList     = { actions = ["s3:ListBucket"], resources = ["${local.arn}:s3:::${local.state_bucket}"] }
    StateRead     = { actions = ["s3:GetObject"], resources = [local.state_object] }
    StateKeyRead  = { actions = ["kms:Decrypt"], resources = var.state.kms_key_arn[*] }
    Subscriptions = { actions = ["sns:GetSubscriptionAttributes"], resources = ["*"] }
    TablesRead = {
      actions   = ["dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource"]
      resources = local.tables
    }
    TopicsRead = { actions = ["sns:GetTopicAttributes", "sns:ListTagsForResource"], resources = local.topics }
  }

  state_object    = "${local.arn}:s3:::${local.state_bucket}/${local.state_key}"
  package_objects = [for bucket in local.package_bucket[*] : "${local.arn}:s3:::${bucket}/analysis-jobs/*"]
  zones           = [for id in var.extra.hosted_zone_ids : "${local.arn}:route53:::hostedzone/${id}"]
}
