variable "api" {
  description = <<-EOT
    The HTTP API. Null, the default, makes a stack without one, for backends that use the library.
    `authorizer` is the issuer, audience and scopes of the tokens (JWT) that it accepts. The claim `tenant_claim` names the
    tenant. `tenants` lists the tenants that the issuer may name, if not all. `tenant` is a fixed tenant for all tokens of
    the issuer. `issuers` are more issuers of the same kind: the routes of the issuer `partner` are below `/partner`.
    `iam` accepts requests that are signed with AWS credentials (SigV4), below `/<path>`. `tenants` has the ARNs of roles
    and users by their tenant; `tenant` is a fixed tenant for every caller that IAM allows.
    `domain` is a custom domain, described in the api module. `default_endpoint = false` turns the API's own address off.
    `routes` are routes of the analyses, as "METHOD /path", in addition to the standard ones. `cors` lists the web pages
    that may call the API and upload documents. `throttling` limits the requests per second (`rate`) and the concurrent
    ones (`burst`). `reserved_concurrency` limits the executions of the function, so that its callers cannot use up the
    account's concurrency; -1 means no limit, because a new account may have a quota of 10 and AWS refuses a reservation
    there. At most `max_waiting` requests with `?wait=` wait at a time, and `max_waiting_per_tenant` of one tenant. Others
    get their answer at once.
  EOT
  type = object({
    authorizer = optional(object({
      issuer       = string
      audience     = list(string)
      scopes       = optional(list(string), [])
      tenant       = optional(string)
      tenant_claim = optional(string, "tenant")
      tenants      = optional(list(string))
    }))
    cors = optional(object({
      allow_origins  = optional(list(string), [])
      allow_headers  = optional(list(string))
      allow_methods  = optional(list(string))
      expose_headers = optional(list(string))
      max_age_s      = optional(number)
    }), {})
    default_endpoint = optional(bool, true)
    domain = optional(object({
      base_path                 = optional(string, "")
      certificate_arn           = optional(string)
      existing                  = optional(bool, false)
      mutual_tls                = optional(object({ truststore_uri = string, truststore_version = optional(string) }))
      name                      = string
      ownership_certificate_arn = optional(string)
      route53                   = optional(object({ zone_id = string }))
    }))
    iam = optional(object({
      path    = optional(string, "iam")
      tenant  = optional(string)
      tenants = optional(map(list(string)), {})
    }))
    issuers = optional(map(object({
      issuer       = string
      audience     = list(string)
      scopes       = optional(list(string), [])
      tenant       = optional(string)
      tenant_claim = optional(string, "tenant")
      tenants      = optional(list(string))
    })), {})
    max_waiting            = optional(number, 25)
    max_waiting_per_tenant = optional(number, 10)
    memory_mb              = optional(number, 512)
    reserved_concurrency   = optional(number, -1)
    routes                 = optional(list(string), [])
    throttling = optional(object({
      burst = optional(number)
      rate  = optional(number)
    }), {})
    timeout_s = optional(number, 30)
  })
  default = null

  validation {
    condition     = var.api == null ? true : var.api.timeout_s >= 1 && var.api.timeout_s <= 30 && floor(var.api.timeout_s) == var.api.timeout_s
    error_message = "api.timeout_s must be a whole number from 1 to 30: an HTTP API ends every request after 30 seconds. Longer work belongs in a job."
  }

  validation {
    condition     = var.api == null ? true : var.api.memory_mb >= 128 && var.api.memory_mb <= 10240 && floor(var.api.memory_mb) == var.api.memory_mb
    error_message = "api.memory_mb must be a whole number from 128 to 10240, the range of Lambda."
  }

  validation {
    condition     = var.api == null ? true : var.api.reserved_concurrency >= -1 && var.api.reserved_concurrency != 0 && floor(var.api.reserved_concurrency) == var.api.reserved_concurrency
    error_message = "api.reserved_concurrency must be a whole number of at least 1, or -1 for no limit: with 0 the API would refuse every request."
  }

  validation {
    condition = var.api == null ? true : alltrue([
      for limit in [var.api.max_waiting, var.api.max_waiting_per_tenant] : limit >= 0 && floor(limit) == limit
    ]) && (var.api.reserved_concurrency < 1 || var.api.max_waiting < var.api.reserved_concurrency)
    error_message = "api.max_waiting and api.max_waiting_per_tenant must be whole numbers of at least 0, and max_waiting below reserved_concurrency: otherwise waiting requests could block all others."
  }

  validation {
    condition     = var.api == null ? true : var.api.authorizer != null || var.api.iam != null
    error_message = "api needs authorizer for callers with a token, or iam for callers with AWS credentials, or both. For a stack without an API set api = null."
  }

  validation {
    # Without it the paths of the other issuers would be the only ones, and adding it later would look like a new API.
    condition     = var.api == null ? true : length(var.api.issuers) == 0 || var.api.authorizer != null
    error_message = "api.issuers are added to api.authorizer, which has the routes without a prefix: move one of them there."
  }

  validation {
    # All of them share the function's environment.
    condition     = var.api == null ? true : length(distinct([for each in concat(values(var.api.issuers), var.api.authorizer[*]) : each.issuer])) == length(var.api.issuers) + length(var.api.authorizer[*])
    error_message = "Each issuer of api.authorizer and api.issuers must be a different one: the issuer of a token decides which claim names the tenant. Use audience for several clients of one issuer."
  }

  validation {
    condition     = var.api == null ? true : alltrue([for each in concat(values(var.api.issuers), var.api.authorizer[*]) : can(regex("^[A-Za-z0-9_:./-]+$", each.tenant_claim))])
    error_message = "tenant_claim of api.authorizer and api.issuers must be the name of a claim, for example \"tenant\" or \"custom:tenant\": without it jobs have no owner."
  }

  validation {
    condition = var.api == null ? true : alltrue([
      for tenant in concat(
        flatten([for each in concat(values(var.api.issuers), var.api.authorizer[*]) : concat(each.tenant[*], coalesce(each.tenants, []))]),
        flatten([for each in var.api.iam[*] : concat(each.tenant[*], keys(each.tenants))]),
      ) : can(regex("^[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,127}$", tenant))
    ])
    error_message = "Each tenant of api must begin with a letter or a digit and have at most 128 letters, digits and the characters _ . @ : + -."
  }

  validation {
    condition     = var.api == null ? true : alltrue([for each in concat(values(var.api.issuers), var.api.authorizer[*]) : each.tenant == null || each.tenants == null])
    error_message = "Give tenant, the tenant of all tokens of an issuer, or tenants, which limits the values of the claim, but not both."
  }

  validation {
    condition     = try(var.api.iam, null) == null ? true : (var.api.iam.tenant == null) == (length(var.api.iam.tenants) > 0)
    error_message = "api.iam needs either tenants, the ARNs of the callers by their tenant, or tenant, one tenant for every caller that IAM allows."
  }

  validation {
    condition = try(var.api.iam, null) == null ? true : alltrue([
      for arn in flatten(values(var.api.iam.tenants)) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
    ])
    error_message = "api.iam.tenants must have full ARNs of IAM roles and users, for example { acme = [aws_iam_role.backend.arn] }, without wildcards."
  }

  validation {
    condition     = try(var.api.iam, null) == null ? true : length(distinct(flatten(values(var.api.iam.tenants)))) == length(flatten(values(var.api.iam.tenants)))
    error_message = "api.iam.tenants has an ARN twice: a caller has one tenant."
  }

  validation {
    condition     = try(var.api.iam, null) == null ? true : var.api.iam.path != "" || var.api.authorizer == null
    error_message = "api.iam.path = \"\" is only possible without api.authorizer, which has the routes without a prefix."
  }
}

variable "web_origins" {
  description = "Web pages that upload to the bucket and download from it, such as \"https://app.example.com\", in addition to `api.cors.allow_origins`. For stacks without an API."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for origin in var.web_origins : can(regex("^(\\*|https?://[^/*\\s]+)$", origin))])
    error_message = "Each of web_origins must be scheme and host without a path, for example \"https://app.example.com\", or \"*\"."
  }
}
