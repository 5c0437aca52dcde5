variable "authorizer" {
  description = <<-EOT
    The tokens that the API accepts. API Gateway checks them before it invokes the function. `issuer` must be equal to
    the token's `iss`; API Gateway finds the keys through `<issuer>/.well-known/openid-configuration`. `audience` lists
    the accepted values of `aud` or `client_id`. If `scopes` are given, a token needs at least one of them.
  EOT
  type = object({
    issuer   = string
    audience = list(string)
    scopes   = optional(list(string), [])
  })
  nullable = false

  validation {
    # Plain HTTP is only allowed for an issuer on the same machine.
    condition     = can(regex("^(https://[^/?#\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", var.authorizer.issuer))
    error_message = "authorizer.issuer must be an https URL without a query, for example \"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc\". http is accepted for 127.0.0.1 and localhost only."
  }

  validation {
    condition     = length(var.authorizer.audience) > 0 && alltrue([for audience in var.authorizer.audience : audience != ""])
    error_message = "authorizer.audience must have at least one value, and no empty one: without an audience the API would accept tokens that the issuer made for other services."
  }
}

variable "cors" {
  description = "CORS: which web pages may call the API. Without `allow_origins` there is no CORS, and browsers refuse the calls of web pages. `max_age_s` is how long a browser may cache the preflight answer, in seconds."
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
    error_message = "Each of cors.allow_origins must be scheme and host without a path, for example \"https://app.example.com\", or \"*\"."
  }

  validation {
    condition     = var.cors.max_age_s >= 0 && var.cors.max_age_s <= 86400 && floor(var.cors.max_age_s) == var.cors.max_age_s
    error_message = "cors.max_age_s must be a whole number from 0 to 86400 (one day)."
  }
}

variable "function" {
  description = "The function behind every route: its `name`, the `alias` to invoke, and the `invoke_arn` of the alias."
  type = object({
    name       = string
    alias      = string
    invoke_arn = string
  })
  nullable = false
}

variable "log_retention_days" {
  description = "Retention of the access log, in days."
  type        = number
  nullable    = false
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention that CloudWatch Logs supports: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "name" {
  description = "Name of the API. The access log is `/aws/vendedlogs/apigateway/<name>`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.name))
    error_message = "name must be 1 to 128 letters, digits, hyphens or underscores."
  }
}

variable "routes" {
  description = "Routes of the API, as \"METHOD /path\" with parameters in braces, for example \"GET /jobs/{job_id}\". API Gateway answers any other request with 404."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.routes) >= 1 && length(var.routes) <= 300
    error_message = "routes must have 1 to 300 routes, the quota of API Gateway for an HTTP API."
  }

  validation {
    condition = alltrue([
      for route in var.routes : can(regex("^(DELETE|GET|HEAD|PATCH|POST|PUT)( /([A-Za-z0-9._~-]+|\\{[A-Za-z_][A-Za-z0-9_]*\\}))(/([A-Za-z0-9._~-]+|\\{[A-Za-z_][A-Za-z0-9_]*\\}))*$", route))
    ])
    error_message = "Each of routes must be \"METHOD /path\": DELETE, GET, HEAD, PATCH, POST or PUT, one blank, then segments of letters, digits and . _ ~ -, or a parameter such as {job_id}. A trailing slash and {proxy+} are refused."
  }

  validation {
    # Routes that differ only in a parameter's name match the same requests.
    condition     = length(distinct([for route in var.routes : replace(route, "/\\{[^}]*\\}/", "{}")])) == length(var.routes)
    error_message = "routes has two entries for the same requests: remove one. The names of parameters do not count: \"GET /jobs/{id}\" is the same as \"GET /jobs/{job_id}\"."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "throttling" {
  description = "Limits for all callers together: `rate` in requests per second, `burst` in concurrent requests. API Gateway answers 429 above them."
  type = object({
    burst = optional(number, 100)
    rate  = optional(number, 50)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.throttling.rate > 0 && var.throttling.burst >= 1 && floor(var.throttling.burst) == var.throttling.burst
    error_message = "throttling.rate must be above 0, and throttling.burst a whole number of at least 1: with 0 the API would refuse every request."
  }
}
