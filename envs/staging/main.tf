provider "aws" {
  region = local.config.region

  default_tags {
    tags = {
      environment = "staging"
      managed-by  = "terraform"
      stack       = local.config.name
    }
  }
}

locals {
  # What differs between the environments, and nothing that is secret.
  config = jsondecode(file("${path.module}/config.json"))
}

module "rfp_analysis" {
  source = "../../examples/rfp-analysis"

  name                = local.config.name
  package             = var.package
  alarm_emails        = local.config.alarm_emails
  authorizer          = local.config.authorizer
  deletion_protection = local.config.deletion_protection
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}
