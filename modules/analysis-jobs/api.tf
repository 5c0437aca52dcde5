locals {
  standard_routes = [
    "GET /jobs", "GET /jobs/{job_id}", "GET /jobs/{job_id}/files/{name}", "GET /openapi.json", "POST /jobs",
    "POST /jobs/{job_id}/cancel", "POST /jobs/{job_id}/retry", "POST /uploads",
  ]
}

locals {
  # The issuers by name. The first one has the routes without a prefix.
  issuers = var.api == null ? {} : merge(
    { for each in var.api.authorizer[*] : "jwt" => merge(each, { path = "" }) },
    { for name, each in var.api.issuers : name => merge(each, { path = name }) },
  )

  # How the API function finds the tenant of a caller, and the prefixes of its routes. A stack with one issuer and its
  # claim needs only TENANT_CLAIM.
  one_claim = var.api == null ? true : alltrue([
    length(var.api.issuers) == 0, var.api.iam == null, try(var.api.authorizer.tenant, null) == null, try(var.api.authorizer.tenants, null) == null,
  ])

  callers = merge(
    {
      for key, value in {
        issuers = {
          for each in values(local.issuers) : each.issuer => { for key, value in { claim = each.tenant_claim, tenant = each.tenant, tenants = each.tenants } : key => value if value != null }
        }
        paths = [for path in concat([for each in values(local.issuers) : each.path], try(var.api.iam, null)[*].path) : path if path != ""]
      } : key => value if !local.one_claim
    },
    {
      for iam in try(var.api.iam, null)[*] : "iam" => {
        for key, value in { tenant = iam.tenant, tenants = iam.tenants } : key => value if key == (iam.tenant == null ? "tenants" : "tenant")
      }
    },
    { for domain in try(var.api.domain, null)[*] : "domain" => domain.name },
    { for domain in try(var.api.domain, null)[*] : "base_path" => domain.base_path },
  )

  web_origins = distinct(concat(try(var.api.cors.allow_origins, []), var.web_origins))
}

module "api_function" {
  source = "../function"
  count  = var.api == null ? 0 : 1

  name                 = local.names.functions.api
  role_name            = local.names.roles.api
  handler              = "api.handler"
  package              = module.package.zip
  live_version         = module.package.live_versions.api
  architecture         = local.architecture
  timeout_s            = var.api.timeout_s
  memory_mb            = var.api.memory_mb
  reserved_concurrency = var.api.reserved_concurrency == -1 ? null : var.api.reserved_concurrency
  statements           = local.api_statements
  log_retention_days   = var.retention.logs_days
  tags                 = var.tags

  code_signing_config_arn = var.functions.code_signing_config_arn
  kms_key_arn             = one(var.encryption[*].key_arn)
  layers                  = local.layers
  log_class               = var.logs.class
  log_format              = var.logs.format
  log_key_arn             = local.log_key_arn
  log_level               = local.log_level
  role                    = { path = var.role.path, permissions_boundary_arn = var.role.permissions_boundary_arn }
  snap_start              = contains(var.functions.snap_start, "api")
  tracing                 = local.tracing
  vpc                     = var.functions.vpc

  environment = merge(local.environment, local.tracing_environment, {
    MAX_WAITING            = var.api.max_waiting
    MAX_WAITING_PER_TENANT = var.api.max_waiting_per_tenant
    TENANT_CLAIM           = try(var.api.authorizer.tenant_claim, "tenant")
    },
    length(local.callers) == 0 ? {} : { CALLERS = jsonencode(local.callers) },
    var.audit == null ? {} : { AUDIT_LOG_GROUP = local.audit_log_name },
  )
}

module "api" {
  source = "../api"
  count  = var.api == null ? 0 : 1

  name               = local.names.api
  routes             = concat(local.standard_routes, var.api.routes)
  issuers            = local.issuers
  iam                = var.api.iam
  cors               = var.api.cors
  default_endpoint   = var.api.default_endpoint
  domain             = var.api.domain
  throttling         = var.api.throttling
  log_class          = var.logs.class
  log_key_arn        = local.log_key_arn
  log_retention_days = var.retention.logs_days
  tags               = var.tags

  function = {
    name       = module.api_function[0].name
    alias      = module.api_function[0].alias_name
    invoke_arn = module.api_function[0].alias_invoke_arn
  }
}
