# An account before the first deployment: what modules/bootstrap makes, and things of others that a stack can use.
provider "aws" {
  region = "eu-west-1"
}

locals {
  name = "letters-recorded"
}

module "bootstrap" {
  source = "./modules/bootstrap"

  name     = local.name
  github   = { environment = "recorded", repository = "acme/letters" }
  packages = { create = true }

  extra = {
    domains         = ["letters.example.com"]
    hosted_zone_ids = [aws_route53_zone.own.zone_id]
    kms_key_arns    = [aws_kms_key.own.arn]
    layer_arns      = [aws_lambda_layer_version.own.arn]
    topic_arns      = [aws_sns_topic.own.arn]
    vpc             = true
  }
}

resource "aws_kms_key" "own" {}

resource "aws_sns_topic" "own" {
  name = "ended"
}

resource "aws_route53_zone" "own" {
  name = "example.com"
}

resource "aws_acm_certificate" "own" {
  domain_name       = "letters.example.com"
  validation_method = "DNS"
}

resource "aws_lambda_layer_version" "own" {
  layer_name = "telemetry"
  s3_bucket  = aws_s3_object.layer.bucket
  s3_key     = aws_s3_object.layer.key
}

resource "aws_s3_bucket" "own" {
  bucket = "acme-layers"
}

resource "aws_s3_object" "layer" {
  bucket = aws_s3_bucket.own.bucket
  key    = "layer.zip"
  # An empty zip.
  content_base64 = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="
}

resource "aws_vpc" "own" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "own" {
  vpc_id     = aws_vpc.own.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_security_group" "own" {
  name   = "letters"
  vpc_id = aws_vpc.own.id
}

output "bootstrap" {
  value = {
    deploy_role_arn = module.bootstrap.deploy_role_arn
    plan_role_arn   = module.bootstrap.plan_role_arn
    state           = module.bootstrap.state
  }
}

output "given" {
  value = {
    boundary_arn      = module.bootstrap.functions_boundary_arn
    certificate_arn   = aws_acm_certificate.own.arn
    domain            = "letters.example.com"
    key_arn           = aws_kms_key.own.arn
    layer_arn         = aws_lambda_layer_version.own.arn
    name              = local.name
    package           = { bucket = module.bootstrap.package_bucket, key = "analysis-jobs/package.zip" }
    security_group_id = aws_security_group.own.id
    subnet_id         = aws_subnet.own.id
    topic_arn         = aws_sns_topic.own.arn
    zone_id           = aws_route53_zone.own.zone_id
  }
}
