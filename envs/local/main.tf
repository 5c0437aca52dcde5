# The stack on this machine: the same module as everywhere, against whatever AWS_ENDPOINT_URL names.
provider "aws" {
  region = var.region
}

locals {
  config = jsondecode(file("${path.module}/config.json"))
}

module "rfp_analysis" {
  source = "../../examples/rfp-analysis"

  name                = local.config.name
  package             = var.package
  authorizer          = { issuer = var.stand_in_url, audience = [local.config.audience] }
  deletion_protection = local.config.deletion_protection
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins

  environment = {
    # The one thing the functions are told of where they run.
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME = var.stand_in_url
    # Inputs and results beyond it go to the bucket: small here, so that small documents take both ways.
    INLINE_BYTES = local.config.inline_bytes
  }
}
