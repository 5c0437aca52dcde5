variable "authorizer" {
  description = <<-EOT
    Whose tokens are let in, checked by API Gateway before a function is paid for.
    `issuer` is the token's `iss`, to the letter; API Gateway reads its keys from
    `<issuer>/.well-known/openid-configuration`. `audience` lists the accepted `aud` (or `client_id`) values.
    `scopes`: a token needs at least one of them, when there are any.
  EOT
  type = object({
    issuer   = string
    audience = list(string)
    scopes   = optional(list(string), [])
  })
  nullable = false

  validation {
    # Plain http only where nobody can listen in: an issuer on this very machine.
    condition     = can(regex("^(https://[^/?#\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", var.authorizer.issuer))
    error_message = "authorizer.issuer must be an https URL without query, e.g. \"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc\" (http is accepted for 127.0.0.1 and localhost only)."
  }

  validation {
    condition     = length(var.authorizer.audience) > 0 && alltrue([for audience in var.authorizer.audience : audience != ""])
    error_message = "authorizer.audience needs at least one value, none of them empty: without an audience a token made for any other service of the issuer is let in."
  }
}

variable "cors" {
  description = "Which web pages may call the API from a browser. No `allow_origins`, no CORS: browsers are then refused. `max_age_s` is how long a browser may remember the answer, in seconds."
  type = object({
    allow_origins  = optional(list(string), [])
    allow_headers  = optional(list(string), ["authorization", "content-type", "idempotency-key", "if-none-match"])
    allow_methods  = optional(list(string), ["GET", "POST"])
    expose_headers = optional(list(string), ["etag", "location", "retry-after"])
    max_age_s      = optional(number, 600)
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for origin in var.cors.allow_origins : can(regex("^(\\*|https?://[^/*\\s]+)$", origin))])
    error_message = "cors.allow_origins takes origins as a browser sends them, scheme and host without a path, e.g. \"https://app.example.com\", or \"*\"."
  }

  validation {
    condition     = var.cors.max_age_s >= 0 && var.cors.max_age_s <= 86400 && floor(var.cors.max_age_s) == var.cors.max_age_s
    error_message = "cors.max_age_s must be a whole number of seconds from 0 to 86400 (a day)."
  }
}

variable "function" {
  description = "The function behind every route: its `name`, the `alias` that is called, and that alias' `invoke_arn`."
  type = object({
    name       = string
    alias      = string
    invoke_arn = string
  })
  nullable = false
}

variable "log_retention_days" {
  description = "How long the access log is kept, in days; one of the values CloudWatch Logs takes."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a period that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "name" {
  description = "Name of the API; the access log is `/aws/vendedlogs/apigateway/<name>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.name))
    error_message = "name must be 1 to 128 letters, digits, hyphens or underscores."
  }
}

variable "routes" {
  description = "Every call the API answers, as \"METHOD /path\" with parameters in braces: \"GET /jobs/{job_id}\". Anything else is 404 before a function runs."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.routes) > 0
    error_message = "routes needs at least one route: an API without any answers nothing."
  }

  validation {
    condition = alltrue([
      for route in var.routes : can(regex("^(DELETE|GET|HEAD|PATCH|POST|PUT)( /([A-Za-z0-9._~-]+|\\{[A-Za-z_][A-Za-z0-9_]*\\}))(/([A-Za-z0-9._~-]+|\\{[A-Za-z_][A-Za-z0-9_]*\\}))*$", route))
    ])
    error_message = "A route of routes is \"METHOD /path\": DELETE, GET, HEAD, PATCH, POST or PUT, one blank, then segments of letters, digits and . _ ~ -, or a parameter such as {job_id}; no trailing slash, no {proxy+}."
  }

  validation {
    # Two routes that differ in a parameter's name only would answer the same call.
    condition     = length(distinct([for route in var.routes : replace(route, "/\\{[^}]*\\}/", "{}")])) == length(var.routes)
    error_message = "routes names a call twice (parameter names do not count: \"GET /jobs/{id}\" is \"GET /jobs/{job_id}\"); take one of them out."
  }
}

variable "tags" {
  description = "Tags for everything made here."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "throttling" {
  description = "The API's ceiling over all callers: `rate` in requests per second, `burst` in requests at once. Beyond it: 429."
  type = object({
    burst = optional(number, 100)
    rate  = optional(number, 50)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.throttling.rate > 0 && var.throttling.burst >= 1 && floor(var.throttling.burst) == var.throttling.burst
    error_message = "throttling.rate must be above 0 and throttling.burst a whole number of at least 1: zero closes the API."
  }
}
