# The stacks on this machine: the same module as everywhere, against whatever AWS_ENDPOINT_URL names.
# Of the examples those are made that have a package.
provider "aws" {
  region = var.region
}

locals {
  config     = jsondecode(file("${path.module}/config.json"))
  authorizer = { issuer = var.stand_in_url, audience = [local.config.audience] }

  # The one thing the functions are told of where they run: the models are elsewhere.
  environment = {
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME = var.stand_in_url
    # Inputs and results beyond it go to the bucket: small here, so that small documents take both ways.
    INLINE_BYTES = local.config.inline_bytes
  }
  # And that the database is one of this machine, with certificates of its own.
  database_environment = merge(local.environment, { DATABASE_CA_BUNDLE = var.ca_bundle })
}

module "book_valuation" {
  source = "../../examples/book-valuation"
  count  = contains(keys(var.packages), "book-valuation") ? 1 : 0

  name                = local.config.names["book-valuation"]
  package             = local.packages["book-valuation"]
  authorizer          = local.authorizer
  database_secret_arn = aws_secretsmanager_secret_version.database["book-valuation"].arn
  deletion_protection = local.config.deletion_protection
  environment         = local.database_environment
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}

module "credential_extraction" {
  source = "../../examples/credential-extraction"
  count  = contains(keys(var.packages), "credential-extraction") ? 1 : 0

  name                = local.config.names["credential-extraction"]
  package             = local.packages["credential-extraction"]
  authorizer          = local.authorizer
  database_secret_arn = aws_secretsmanager_secret_version.database["credential-extraction"].arn
  deletion_protection = local.config.deletion_protection
  environment         = local.database_environment
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}

module "drawing_schedule" {
  source = "../../examples/drawing-schedule"
  count  = contains(keys(var.packages), "drawing-schedule") ? 1 : 0

  name                = local.config.names["drawing-schedule"]
  package             = local.packages["drawing-schedule"]
  authorizer          = local.authorizer
  deletion_protection = local.config.deletion_protection
  environment         = merge(local.environment, { GEMINI_BASE_URL = var.stand_in_url })
  gemini_key_arn      = aws_ssm_parameter.gemini_key[0].arn
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}

module "profile_interpretation" {
  source = "../../examples/profile-interpretation"
  count  = contains(keys(var.packages), "profile-interpretation") ? 1 : 0

  name                = local.config.names["profile-interpretation"]
  package             = local.packages["profile-interpretation"]
  authorizer          = local.authorizer
  deletion_protection = local.config.deletion_protection
  environment         = local.environment
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}

module "rfp_analysis" {
  source = "../../examples/rfp-analysis"
  count  = contains(keys(var.packages), "rfp-analysis") ? 1 : 0

  name                = local.config.names["rfp-analysis"]
  package             = local.packages["rfp-analysis"]
  authorizer          = local.authorizer
  deletion_protection = local.config.deletion_protection
  environment         = local.environment
  lease               = local.config.lease
  maximum_concurrency = local.config.maximum_concurrency
  web_origins         = local.config.web_origins
}
