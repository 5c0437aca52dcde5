data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  suffix    = data.aws_partition.current.dns_suffix

  # Not below the path of the functions' roles, so that no pattern for those matches the roles of this module. The Region is
  # in it because roles are global in an account.
  path = "/analysis-jobs/${local.region}/"

  state_bucket   = coalesce(var.state.bucket, "tfstate-${var.name}-${local.account}-${local.region}")
  state_key      = coalesce(var.state.key, "analysis-jobs/${var.github.environment}.tfstate")
  package_bucket = var.packages == null ? null : coalesce(var.packages.bucket, "packages-${var.name}-${local.account}-${local.region}")

  # How the names of the stack's resources begin.
  prefixes = [for prefix in distinct(concat(["${var.name}-"], var.name_prefixes)) : "${prefix}*"]

  # The ARNs of the stack's resources, as patterns.
  arn       = "arn:${local.partition}"
  here      = "${local.region}:${local.account}"
  alarms    = [for name in local.prefixes : "${local.arn}:cloudwatch:${local.here}:alarm:${name}"]
  buckets   = [for name in local.prefixes : "${local.arn}:s3:::${name}"]
  functions = [for name in local.prefixes : "${local.arn}:lambda:${local.here}:function:${name}"]
  queues    = [for name in local.prefixes : "${local.arn}:sqs:${local.here}:${name}"]
  roles     = [for name in local.prefixes : "${local.arn}:iam::${local.account}:role${var.role.path}${var.role.name_prefix}${name}"]
  rules     = [for name in local.prefixes : "${local.arn}:events:${local.here}:rule/${name}"]
  tables    = [for name in local.prefixes : "${local.arn}:dynamodb:${local.here}:table/${name}"]
  topics    = [for name in local.prefixes : "${local.arn}:sns:${local.here}:${name}"]
  # Dashboards are global.
  dashboards = [for name in local.prefixes : "${local.arn}:cloudwatch::${local.account}:dashboard/${name}"]
  log_groups = flatten([for name in local.prefixes : [
    for folder in ["/aws/lambda/", "/aws/vendedlogs/apigateway/"] : "${local.arn}:logs:${local.here}:log-group:${folder}${name}"
  ]])
  mappings = "${local.arn}:lambda:${local.here}:event-source-mapping:*"
  api      = "${local.arn}:apigateway:${local.region}::"
  keys     = "${local.arn}:kms:${local.here}:key/*"
  aliases  = [for name in local.prefixes : "${local.arn}:kms:${local.here}:alias/${name}"]
  domains  = flatten([for name in var.extra.domains : ["${local.api}/domainnames/${name}", "${local.api}/domainnames/${name}/apimappings", "${local.api}/domainnames/${name}/apimappings/*"]])
}
