# What an apply, a destroy, the move of an alias and the canary jobs change. Each statement is limited to the names of the
# stack where IAM can do that.
locals {
  deploy_access = {
    # A role without the boundary cannot be created, and the rights of a role without it cannot be changed. Nothing here
    # removes a boundary, changes a trust policy or attaches a managed policy.
    RolesWithBoundary = {
      actions   = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
      condition = { StringEquals = { "iam:PermissionsBoundary" = local.function_boundary_arn } }
      resources = local.roles
    }
    RolesChange = { actions = ["iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole"], resources = local.roles }
    RolesPass = {
      actions   = ["iam:PassRole"]
      condition = { StringEquals = { "iam:PassedToService" = "lambda.amazonaws.com" } }
      resources = local.roles
    }
    # The key of the alarms. KMS asks for the right to tag it too.
    KeysCreate = {
      actions = ["kms:CreateKey", "kms:TagResource"]
      condition = {
        # A key of somebody else must not become a key of the stack by its tag. A new key has no alias.
        Null       = { "kms:ResourceAliases" = "true" }
        StringLike = { "aws:RequestTag/analysis-jobs:key" = local.prefixes }
      }
      resources = ["*"]
    }
    KeysChange = {
      actions = [
        "kms:CreateAlias", "kms:DeleteAlias", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion", "kms:TagResource",
        "kms:UntagResource",
      ]
      condition = local.of_stack_keys
      resources = [local.keys]
    }
    KeyAliasesChange = { actions = ["kms:CreateAlias", "kms:DeleteAlias"], resources = local.aliases }
    # The stack's own key. The services use it with the rights of the caller.
    KeyUse = {
      actions   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      condition = { StringEquals = { "kms:ViaService" = [for service in ["dynamodb", "lambda", "s3", "sns", "sqs"] : "${service}.${local.region}.${local.suffix}"] } }
      resources = var.extra.kms_key_arns
    }
    # Lambda reads the package with the rights of the caller.
    PackageVersions = { actions = ["s3:GetObjectVersion"], resources = local.package_objects }
    PackagesWrite   = { actions = ["s3:PutObject"], resources = local.package_objects }
    RecordsChange   = { actions = ["route53:ChangeResourceRecordSets"], resources = local.zones }
    RecordsWait     = { actions = ["route53:GetChange"], resources = [for id in slice(local.zones, 0, min(1, length(local.zones))) : "${local.arn}:route53:::change/*"] }
    StateWrite      = { actions = ["s3:PutObject"], resources = [local.state_object] }
    StateLock       = { actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resources = ["${local.state_object}.tflock"] }
    StateKeyUse     = { actions = ["kms:GenerateDataKey"], resources = var.state.kms_key_arn[*] }
    Truststores     = { actions = ["s3:GetObject", "s3:GetObjectVersion"], resources = var.extra.truststores }
    Vpc             = { actions = ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"], resources = var.extra.vpc ? ["*"] : [] }
  }

  deploy_compute = {
    AlarmsChange = { actions = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"], resources = local.alarms }
    # An API has no name in its ARN, but a condition key. The parts of an API have neither.
    ApisCreate = {
      actions   = ["apigateway:POST"]
      condition = { StringLike = { "apigateway:Request/ApiName" = local.prefixes } }
      resources = ["${local.api}/apis"]
    }
    ApisChange = {
      actions   = ["apigateway:DELETE", "apigateway:PATCH"]
      condition = { StringLike = { "apigateway:Resource/ApiName" = local.prefixes } }
      resources = ["${local.api}/apis/*"]
    }
    ApiPartsChange = { actions = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST"], resources = ["${local.api}/apis/*/*"] }
    # A new API is tagged with the rights of its caller. The ARNs in AWS's messages begin with "/tags/" or with a second ARN.
    ApiTags         = { actions = ["apigateway:DELETE", "apigateway:POST", "apigateway:PUT"], resources = ["${local.api}*/tags/*"] }
    ApiTagsOnCreate = { actions = ["apigateway:TagResource"], resources = ["${local.api}/*"] }
    # Why a canary has failed.
    CanaryLogs    = { actions = ["logs:FilterLogEvents"], resources = local.log_groups }
    Dashboards    = { actions = ["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"], resources = local.dashboards }
    DomainsChange = { actions = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST"], resources = concat(local.domains, [for name in slice(var.extra.domains, 0, min(1, length(var.extra.domains))) : "${local.api}/domainnames"]) }
    FunctionsChange = {
      actions = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:DeleteAlias", "lambda:DeleteFunction",
        "lambda:DeleteFunctionCodeSigningConfig", "lambda:DeleteFunctionConcurrency", "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:GetFunctionConfiguration", "lambda:InvokeFunction", "lambda:ListAliases", "lambda:PublishVersion", "lambda:PutFunctionCodeSigningConfig", "lambda:PutFunctionConcurrency",
        "lambda:PutFunctionEventInvokeConfig", "lambda:PutFunctionRecursionConfig", "lambda:RemovePermission", "lambda:TagResource",
        "lambda:UntagResource", "lambda:UpdateAlias", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
      ]
      resources = local.functions
    }
    Layers      = { actions = ["lambda:GetLayerVersion"], resources = var.extra.layer_arns }
    CodeSigning = { actions = ["lambda:GetCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig"], resources = var.extra.code_signing_config_arns }
    # API Gateway delivers its access log with the rights of the caller. These actions support no narrower resource.
    LogDeliveries = {
      actions = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
        "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ]
      resources = ["*"]
    }
    LogGroupsChange = {
      actions = [
        "logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteMetricFilter", "logs:DeleteRetentionPolicy",
        "logs:DisassociateKmsKey", "logs:PutMetricFilter", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource",
      ]
      resources = local.log_groups
    }
    # Saved queries support no narrower resource.
    QueriesChange = { actions = ["logs:DeleteQueryDefinition", "logs:PutQueryDefinition"], resources = ["*"] }
    MappingsChange = {
      actions   = ["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
      condition = local.of_stack_functions
      resources = [local.mappings]
    }
    MappingsCreate = {
      actions   = ["lambda:CreateEventSourceMapping"]
      condition = local.of_stack_functions
      resources = ["*"]
    }
    MappingTags = { actions = ["lambda:TagResource", "lambda:UntagResource"], resources = [local.mappings] }
    RulesChange = {
      actions   = ["events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource"]
      resources = local.rules
    }
  }

  deploy_data = {
    BucketsChange = {
      actions = [
        "s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:ListBucketVersions", "s3:PutBucketCORS", "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
      ]
      resources = local.buckets
    }
    # A release keeps its record in one row of the job table, which belongs to no tenant.
    ReleaseRecord = {
      actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      condition = {
        "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["_release"] }
        # Without keys, a condition for all of them would hold.
        Null = { "dynamodb:LeadingKeys" = "false" }
      }
      resources = local.tables
    }
    # A release stores and activates the prompts of the project.
    PromptsChange = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
      resources = ["${local.arn}:dynamodb:${local.here}:table/${coalesce(var.prompt_table, "${var.name}-prompts")}"]
    }
    # `analysis-jobs doctor` runs before each deployment. What the second statement allows supports no narrower resource.
    DoctorRoles = { actions = ["iam:SimulatePrincipalPolicy"], resources = local.roles }
    DoctorAccount = {
      actions   = ["bedrock:GetFoundationModelAvailability", "bedrock:GetInferenceProfile", "lambda:GetAccountSettings", "servicequotas:ListServiceQuotas"]
      resources = ["*"]
    }
    # A destroy empties the bucket, unless the stack is protected.
    FilesDelete  = { actions = ["s3:DeleteObject", "s3:DeleteObjectVersion"], resources = [for bucket in local.buckets : "${bucket}/*"] }
    QueuesChange = { actions = ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"], resources = local.queues }
    TablesChange = {
      actions = [
        "dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:TagResource", "dynamodb:UntagResource", "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
      ]
      resources = local.tables
    }
    TopicsChange = {
      actions   = ["sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:UntagResource"]
      resources = local.topics
    }
    # Supports no narrower resource.
    Unsubscribe = { actions = ["sns:Unsubscribe"], resources = ["*"] }
  }
}
