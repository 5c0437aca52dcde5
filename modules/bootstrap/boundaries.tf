locals {
  function_boundary_arn = "${local.arn}:iam::${local.account}:policy${local.path}${var.name}-functions"

  # The most that the roles of this module may do. Whoever attaches AdministratorAccess to one of them changes nothing.
  deploy_boundary = concat(
    [
      {
        Sid      = "ServicesOfAStack"
        Effect   = "Allow"
        Action   = [for service in ["apigateway", "cloudwatch", "dynamodb", "ec2", "events", "kms", "lambda", "logs", "s3", "sns", "sqs"] : "${service}:*"]
        Resource = "*"
        Condition = {
          StringEquals = { "aws:RequestedRegion" = local.region }
        }
      },
      # `analysis-jobs doctor` reads these.
      {
        Sid      = "Doctor"
        Effect   = "Allow"
        Action   = ["bedrock:GetFoundationModelAvailability", "bedrock:GetInferenceProfile", "servicequotas:ListServiceQuotas"]
        Resource = "*"
      },
      {
        Sid      = "RolesOfTheStack"
        Effect   = "Allow"
        Action   = "iam:*"
        Resource = local.roles
      },
    ],
    [for zones in [local.zones] : {
      Sid      = "DnsRecords"
      Effect   = "Allow"
      Action   = ["route53:ChangeResourceRecordSets", "route53:Get*", "route53:List*"]
      Resource = concat(zones, ["${local.arn}:route53:::change/*"])
    } if length(zones) > 0],
    [
      # The ways from the right to change a role to more rights.
      {
        Sid    = "NoWayOut"
        Effect = "Deny"
        Action = [
          "iam:AddRoleToInstanceProfile", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy",
        ]
        Resource = "*"
      },
      {
        Sid       = "OnlyWithTheBoundary"
        Effect    = "Deny"
        Action    = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
        Resource  = "*"
        Condition = { StringNotEquals = { "iam:PermissionsBoundary" = local.function_boundary_arn } }
      },
      {
        Sid      = "NothingOfBootstrap"
        Effect   = "Deny"
        Action   = "iam:*"
        Resource = [for kind in ["policy", "role"] : "${local.arn}:iam::${local.account}:${kind}/analysis-jobs/*"]
      },
      {
        Sid      = "StateOfBootstrap"
        Effect   = "Deny"
        Action   = "s3:*"
        Resource = "${local.arn}:s3:::${local.state_bucket}/bootstrap/*"
      },
      {
        Sid    = "StateBucketStays"
        Effect = "Deny"
        Action = [
          "s3:BypassGovernanceRetention", "s3:DeleteBucket*", "s3:DeleteObjectVersion", "s3:PutBucket*", "s3:PutEncryptionConfiguration",
          "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
        ]
        Resource = flatten([for bucket in concat([local.state_bucket], local.package_bucket[*]) : ["${local.arn}:s3:::${bucket}", "${local.arn}:s3:::${bucket}/*"]])
      },
    ],
  )

  # The most that a function may do: what the module gives the functions, on the names of this stack.
  function_boundary = [for statement in concat(
    [
      { Sid = "Logs", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = local.log_groups },
      {
        Sid = "Tables"
        Action = [
          "dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:DescribeStream", "dynamodb:GetItem", "dynamodb:GetRecords",
          "dynamodb:GetShardIterator", "dynamodb:ListStreams", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        ]
        Resource = local.tables
      },
      {
        Sid      = "Queues"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
        Resource = local.queues
      },
      { Sid = "Files", Action = ["s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], Resource = [for bucket in local.buckets : "${bucket}/*"] },
      { Sid = "Events", Action = ["events:PutEvents"], Resource = ["${local.arn}:events:${local.here}:event-bus/*"] },
      { Sid = "Topics", Action = ["sns:Publish"], Resource = concat(local.topics, var.extra.topic_arns) },
      {
        Sid      = "Models"
        Action   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        Resource = ["${local.arn}:bedrock:*::foundation-model/*", "${local.arn}:bedrock:*:${local.account}:*"]
      },
      # None of these supports a narrower resource.
      {
        Sid = "Services"
        Action = concat(
          [
            "aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions", "textract:DetectDocumentText", "xray:GetSamplingRules",
            "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
          ],
          [for action in ["AssignPrivateIpAddresses", "CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "UnassignPrivateIpAddresses"] : "ec2:${action}" if var.extra.vpc],
        )
        Resource = ["*"]
      },
      {
        Sid    = "Secrets"
        Action = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
        Resource = concat(var.extra.secret_arns, flatten([for name in local.prefixes : [
          "${local.arn}:secretsmanager:${local.here}:secret:${name}", "${local.arn}:ssm:${local.here}:parameter/${name}",
        ]]), ["${local.arn}:ssm:${local.here}:parameter/${var.name}/*"])
      },
      {
        Sid      = "Keys"
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource = var.extra.kms_key_arns
      },
    ],
    [for index, statement in var.extra.function_statements : { Sid = "Extra${index}", Action = statement.actions, Resource = statement.resources }],
  ) : merge({ Effect = "Allow" }, statement) if length(statement.Resource) > 0]
}
