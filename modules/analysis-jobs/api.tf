locals {
  standard_routes = [
    "GET /jobs", "GET /jobs/{job_id}", "GET /jobs/{job_id}/files/{name}", "GET /openapi.json", "POST /jobs",
    "POST /jobs/{job_id}/cancel", "POST /jobs/{job_id}/retry", "POST /uploads",
  ]
}

module "api_function" {
  source = "../function"

  name                 = "${var.name}-api"
  handler              = "api.handler"
  package              = module.package.zip
  architecture         = local.architecture
  timeout_s            = var.api.timeout_s
  memory_mb            = var.api.memory_mb
  reserved_concurrency = var.api.reserved_concurrency == -1 ? null : var.api.reserved_concurrency
  statements           = local.api_statements
  log_retention_days   = var.retention.logs_days
  tags                 = var.tags

  environment = merge(local.environment, {
    MAX_WAITING            = var.api.max_waiting
    MAX_WAITING_PER_TENANT = var.api.max_waiting_per_tenant
    TENANT_CLAIM           = var.api.authorizer.tenant_claim
  })
}

module "api" {
  source = "../api"

  name               = "${var.name}-api"
  routes             = concat(local.standard_routes, var.api.routes)
  authorizer         = var.api.authorizer
  cors               = var.api.cors
  throttling         = var.api.throttling
  log_retention_days = var.retention.logs_days
  tags               = var.tags

  function = {
    name       = module.api_function.name
    alias      = module.api_function.alias_name
    invoke_arn = module.api_function.alias_invoke_arn
  }
}
