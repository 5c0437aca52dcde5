variable "api" {
  description = <<-EOT
    The HTTP API. `authorizer` is the issuer, audience and scopes of the tokens that it accepts; `tenant_claim` is the
    claim that names the tenant. `routes` are routes of the analyses, as "METHOD /path", in addition to the standard
    ones. `cors` lists the web pages that may call the API and upload documents. `throttling` limits the requests per
    second (`rate`) and the concurrent ones (`burst`). `reserved_concurrency` limits the executions of the function, so
    that its callers cannot use up the account's concurrency; -1 means no limit, because a new account may have a quota
    of 10 and AWS refuses a reservation there.
    At most `max_waiting` requests with `?wait=` wait at a time, and `max_waiting_per_tenant` of one tenant. Others get
    their answer at once.
  EOT
  type = object({
    authorizer = object({
      issuer       = string
      audience     = list(string)
      scopes       = optional(list(string), [])
      tenant_claim = optional(string, "tenant")
    })
    cors = optional(object({
      allow_origins  = optional(list(string), [])
      allow_headers  = optional(list(string))
      allow_methods  = optional(list(string))
      expose_headers = optional(list(string))
      max_age_s      = optional(number)
    }), {})
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
  nullable = false

  validation {
    condition     = var.api.timeout_s >= 1 && var.api.timeout_s <= 30 && floor(var.api.timeout_s) == var.api.timeout_s
    error_message = "api.timeout_s must be a whole number from 1 to 30: an HTTP API ends every request after 30 seconds. Longer work belongs in a job."
  }

  validation {
    condition     = var.api.memory_mb >= 128 && var.api.memory_mb <= 10240 && floor(var.api.memory_mb) == var.api.memory_mb
    error_message = "api.memory_mb must be a whole number from 128 to 10240, the range of Lambda."
  }

  validation {
    condition     = var.api.reserved_concurrency >= -1 && var.api.reserved_concurrency != 0 && floor(var.api.reserved_concurrency) == var.api.reserved_concurrency
    error_message = "api.reserved_concurrency must be a whole number of at least 1, or -1 for no limit: with 0 the API would refuse every request."
  }

  validation {
    condition = alltrue([
      for limit in [var.api.max_waiting, var.api.max_waiting_per_tenant] : limit >= 0 && floor(limit) == limit
    ]) && (var.api.reserved_concurrency < 1 || var.api.max_waiting < var.api.reserved_concurrency)
    error_message = "api.max_waiting and api.max_waiting_per_tenant must be whole numbers of at least 0, and max_waiting below reserved_concurrency: otherwise waiting requests could block all others."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_:./-]+$", var.api.authorizer.tenant_claim))
    error_message = "api.authorizer.tenant_claim must be the name of a claim, for example \"tenant\" or \"custom:tenant\": without it jobs have no owner."
  }
}
