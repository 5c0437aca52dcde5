data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # logs:CreateLogGroup is missing on purpose: a deleted log group must not come back without a retention.
  own_logs = {
    Sid      = "OwnLogs"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  # Lambda uses the function's role to attach it to a VPC. The Describe actions support no narrower resource.
  network_interfaces = {
    Sid    = "NetworkInterfaces"
    Effect = "Allow"
    Action = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    Resource = "*"
  }

  # X-Ray supports no narrower resource. The sampling actions are for OpenTelemetry.
  traces = {
    Sid    = "Traces"
    Effect = "Allow"
    Action = [
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    Resource = "*"
  }

  # Only Lambda needs these actions. The condition key is set on calls of the function's own code, which this denies.
  network_interfaces_by_lambda_only = merge(local.network_interfaces, {
    Sid    = "NetworkInterfacesByLambdaOnly"
    Effect = "Deny"
    Condition = {
      ArnLike = {
        "lambda:SourceFunctionArn" = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.id}:*:function:${var.name}"
      }
    }
  })
}

# Roles are global in an account. The Region in the name allows the same stack in two Regions. The trust needs no
# aws:SourceAccount: a role can be passed to a function of its own account only.
resource "aws_iam_role" "this" {
  name                 = coalesce(var.role_name, "${var.name}-${data.aws_region.current.id}")
  path                 = var.role.path
  description          = "Role of the Lambda function ${var.name}."
  permissions_boundary = var.role.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

locals {
  runtime_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local.own_logs],
      [for statement in [local.network_interfaces, local.network_interfaces_by_lambda_only] : statement if var.vpc != null],
      [for statement in [local.traces] : statement if var.tracing == "Active"],
    )
  })

  statements_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in var.statements : merge(
      {
        Sid      = replace(title(replace(name, "_", " ")), " ", "")
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
      },
      # IAM wants conditions as {test = {variable = values}}.
      length(statement.conditions) == 0 ? {} : {
        Condition = {
          for test in distinct(statement.conditions[*].test) : test => {
            for condition in statement.conditions : condition.variable => condition.values if condition.test == test
          }
        }
      },
    )]
  })
}

# The rights that every function needs to run.
resource "aws_iam_role_policy" "runtime" {
  name   = "runtime"
  role   = aws_iam_role.this.name
  policy = local.runtime_policy
}

# The rights of this function's own code.
resource "aws_iam_role_policy" "statements" {
  count = length(var.statements) > 0 ? 1 : 0

  name   = "statements"
  role   = aws_iam_role.this.name
  policy = local.statements_policy

  lifecycle {
    precondition {
      condition     = length(local.runtime_policy) + length(local.statements_policy) <= 10240
      error_message = "The inline policies of ${var.name}'s role have ${length(local.runtime_policy) + length(local.statements_policy)} characters; IAM allows 10240 for a role: use fewer statements or resources, or wildcards."
    }
  }
}
