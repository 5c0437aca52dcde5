provider "aws" {
  region = local.config.region

  default_tags {
    tags = {
      environment = "production"
      managed-by  = "terraform"
      stack       = local.config.name
    }
  }
}

locals {
  # Everything that differs between the environments. Nothing in it is secret.
  config = jsondecode(file("${path.module}/config.json"))
}

module "rfp_analysis" {
  source = "../../examples/rfp-analysis"

  name     = local.config.name
  package  = var.package
  settings = local.config.settings
}
