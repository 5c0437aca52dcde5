# The stack whose deployment is recorded. `variant` is `plain` (the defaults of the module), `full` (its options), `changed`
# (other values), or `keys` (a key of its own for everything).
terraform {
  backend "s3" {
    region       = "eu-west-1"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = "eu-west-1"

  default_tags {
    tags = merge({ stack = var.given.name, variant = var.variant }, var.variant == "plain" ? { first = "yes" } : {})
  }
}

variable "given" {
  type = object({
    boundary_arn      = string
    certificate_arn   = string
    domain            = string
    key_arn           = string
    layer_arn         = string
    name              = string
    package           = object({ bucket = string, key = string })
    security_group_id = string
    subnet_id         = string
    topic_arn         = string
    zone_id           = string
  })
}

variable "variant" {
  type = string
}

locals {
  plain   = var.variant == "plain"
  changed = var.variant == "changed"
}

module "jobs" {
  source = "./modules/analysis-jobs"

  name     = var.given.name
  package  = { path = "package.zip", sha256_base64 = filebase64sha256("package.zip"), s3 = local.plain ? null : var.given.package }
  analyses = ["letters"]
  api = {
    authorizer       = { issuer = "https://login.example.com", audience = ["letters"] }
    cors             = { allow_origins = ["https://letters.example.com"] }
    default_endpoint = contains(["keys", "plain"], var.variant)
    domain           = contains(["keys", "plain"], var.variant) ? null : { name = var.given.domain, certificate_arn = var.given.certificate_arn, route53 = { zone_id = var.given.zone_id } }
    throttling       = local.changed ? { rate = 10 } : {}
    iam              = local.plain ? null : { tenant = "acme" }
  }
  deletion_protection = var.variant == "full"
  role                = { permissions_boundary_arn = var.given.boundary_arn }
  alarms              = { email = local.changed ? [] : ["ops@example.com"] }
  bedrock_model_ids   = ["anthropic.claude-*"]
  encryption          = var.variant == "keys" ? { key_arn = var.given.key_arn } : null
  events              = { sns = !local.plain }
  functions = {
    layers               = local.plain ? [] : [var.given.layer_arn]
    reserved_concurrency = var.variant == "full" ? { sweeper = 1 } : {}
    snap_start           = local.plain ? [] : ["api"]
    vpc                  = local.plain ? null : { security_group_ids = [var.given.security_group_id], subnet_ids = [var.given.subnet_id] }
  }
  lanes     = local.plain ? { medium = {} } : { high = {}, medium = { maximum_concurrency = 5 } }
  retention = { logs_days = local.changed ? 7 : 30 }
  tracing   = { mode = local.plain ? "none" : "xray" }
}
