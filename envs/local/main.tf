# The same module as in all environments, on the AWS at AWS_ENDPOINT_URL. It deploys only the examples that have a package.
provider "aws" {
  region = var.region
}

locals {
  # The names of the stacks. `config.json` beside this file is the environment `local`, a stack of its own.
  names = {
    book-valuation         = "catalogue-local-analysis"
    credential-extraction  = "credentials-local"
    drawing-schedule       = "drawings-local"
    existing-api           = "helpdesk-local"
    minimal                = "letters-local"
    profile-interpretation = "profiles-local"
    rfp-analysis           = "rfp-local"
  }

  authorizer = { issuer = var.stand_in_url, audience = ["analysis-jobs"] }

  environment = {
    # The models are a stand-in on this machine.
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME = var.stand_in_url
    # The limit is low here, so that the demo shows inputs and results in the table and in the bucket.
    INLINE_BYTES = 100
  }

  settings = {
    authorizer          = local.authorizer
    deletion_protection = false
    environment         = local.environment
    lease               = { heartbeat_s = 5, lease_s = 20 }
    maximum_concurrency = 4
    web_origins         = ["http://localhost:3000"]
  }

  # The local database has a certificate of its own authority.
  database_settings = merge(local.settings, { environment = merge(local.environment, { DATABASE_CA_BUNDLE = var.ca_bundle }) })

  # The stand-in answers in Gemini's protocol too.
  gemini_settings = merge(local.settings, { environment = merge(local.environment, { GEMINI_BASE_URL = var.stand_in_url }) })
}

module "book_valuation" {
  source = "../../examples/book-valuation"
  count  = contains(keys(var.packages), "book-valuation") ? 1 : 0

  name                = local.names["book-valuation"]
  package             = local.packages["book-valuation"]
  database_secret_arn = aws_secretsmanager_secret_version.database["book-valuation"].arn
  settings            = local.database_settings
}

module "credential_extraction" {
  source = "../../examples/credential-extraction"
  count  = contains(keys(var.packages), "credential-extraction") ? 1 : 0

  name                = local.names["credential-extraction"]
  package             = local.packages["credential-extraction"]
  database_secret_arn = aws_secretsmanager_secret_version.database["credential-extraction"].arn
  settings            = local.database_settings
}

module "drawing_schedule" {
  source = "../../examples/drawing-schedule"
  count  = contains(keys(var.packages), "drawing-schedule") ? 1 : 0

  name           = local.names["drawing-schedule"]
  package        = local.packages["drawing-schedule"]
  gemini_key_arn = aws_ssm_parameter.gemini_key[0].arn
  settings       = local.gemini_settings
}

module "existing_api" {
  source = "../../examples/existing-api"
  count  = contains(keys(var.packages), "existing-api") ? 1 : 0

  name        = local.names["existing-api"]
  package     = local.packages["existing-api"]
  authorizer  = local.authorizer
  environment = local.environment
}

module "minimal" {
  source = "../../examples/minimal"
  count  = contains(keys(var.packages), "minimal") ? 1 : 0

  name        = local.names["minimal"]
  package     = local.packages["minimal"]
  authorizer  = local.authorizer
  environment = local.environment
}

module "profile_interpretation" {
  source = "../../examples/profile-interpretation"
  count  = contains(keys(var.packages), "profile-interpretation") ? 1 : 0

  name     = local.names["profile-interpretation"]
  package  = local.packages["profile-interpretation"]
  settings = local.settings
}

module "rfp_analysis" {
  source = "../../examples/rfp-analysis"
  count  = contains(keys(var.packages), "rfp-analysis") ? 1 : 0

  name     = local.names["rfp-analysis"]
  package  = local.packages["rfp-analysis"]
  settings = local.settings
}
