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

variable "default_endpoint" {
  description = "Whether the API also answers at its own address, `https://<id>.execute-api.<region>.amazonaws.com`. False needs a `domain`."
  type        = bool
  nullable    = false
  default     = true
}

variable "domain" {
  description = <<-EOT
    Custom domain of the API. With `existing = true` the domain name exists already and only a mapping of `base_path` is
    added to it. Otherwise the domain name is created with `certificate_arn`, a certificate of this Region, and with
    `route53` its DNS record too. `mutual_tls` asks callers for a certificate that the bundle at `truststore_uri` in S3
    signed; `ownership_certificate_arn` is needed there if the certificate is imported or private.
  EOT
  type = object({
    base_path                 = optional(string, "")
    certificate_arn           = optional(string)
    existing                  = optional(bool, false)
    mutual_tls                = optional(object({ truststore_uri = string, truststore_version = optional(string) }))
    name                      = string
    ownership_certificate_arn = optional(string)
    route53                   = optional(object({ zone_id = string }))
  })
  default = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name))
    error_message = "domain.name must be a host name in lower case without a scheme, for example \"jobs.example.com\"."
  }

  validation {
    condition     = var.domain == null ? true : can(regex("^([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$", var.domain.base_path))
    error_message = "domain.base_path must be segments of letters, digits and . _ ~ - without a slash at either end, for example \"analysis\" or \"v1/analysis\"."
  }

  validation {
    condition     = var.domain == null ? true : var.domain.existing == (var.domain.certificate_arn == null)
    error_message = "domain.certificate_arn is needed to create the domain name. With existing = true leave it out: the domain name has its certificate already."
  }

  validation {
    condition     = var.domain == null ? true : !var.domain.existing || (var.domain.mutual_tls == null && var.domain.route53 == null && var.domain.ownership_certificate_arn == null)
    error_message = "domain.mutual_tls, ownership_certificate_arn and route53 belong to a domain name that is created here. With existing = true set them where the domain name is created."
  }

  validation {
    condition     = var.domain != null || var.default_endpoint
    error_message = "domain is needed with default_endpoint = false: without both, nothing could reach the API."
  }

  validation {
    # Callers without a certificate would use the other address.
    condition     = var.domain == null ? true : var.domain.mutual_tls == null || !var.default_endpoint
    error_message = "domain.mutual_tls needs default_endpoint = false: the default endpoint asks for no certificate."
  }

  validation {
    condition     = try(var.domain.mutual_tls, null) == null ? true : can(regex("^s3://[a-z0-9][a-z0-9.-]+/.+$", var.domain.mutual_tls.truststore_uri))
    error_message = "domain.mutual_tls.truststore_uri must be the S3 URI of a PEM bundle, for example \"s3://acme-trust/clients.pem\"."
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

variable "iam" {
  description = "Accepts requests that are signed with AWS credentials (SigV4), below `path`. The caller needs `execute-api:Invoke`. With \"\" as `path` the routes have no prefix. Null accepts no such request."
  type = object({
    path = optional(string, "iam")
  })
  default = null

  validation {
    condition     = var.iam == null ? true : can(regex("^[a-z0-9-]*$", var.iam.path))
    error_message = "iam.path must be one segment of lower-case letters, digits and hyphens, or \"\"."
  }
}

variable "issuers" {
  description = <<-EOT
    The tokens (JWT) that the API accepts, by a name of the issuer. API Gateway checks them before it invokes the
    function. `issuer` must be equal to the token's `iss`; API Gateway finds the keys through
    `<issuer>/.well-known/openid-configuration`. `audience` lists the accepted values of `aud` or `client_id`. If
    `scopes` are given, a token needs at least one of them. Each issuer has all routes below its own `path`; with "" they
    have no prefix.
  EOT
  type = map(object({
    issuer   = string
    audience = list(string)
    path     = optional(string, "")
    scopes   = optional(list(string), [])
  }))
  nullable = false
  default  = {}

  validation {
    condition     = length(var.issuers) > 0 || var.iam != null
    error_message = "issuers must have at least one issuer, unless iam is set: otherwise the API would have no routes."
  }

  validation {
    condition     = length(var.issuers) <= 10
    error_message = "issuers must have at most 10 issuers, the quota of API Gateway for the authorizers of an API."
  }

  validation {
    # Plain HTTP is only allowed for an issuer on the same machine.
    condition     = alltrue([for each in var.issuers : can(regex("^(https://[^/?#\\s]+|http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?)(/[^?#\\s]*)?$", each.issuer))])
    error_message = "issuer of issuers must be an https URL without a query, for example \"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc\". http is accepted for 127.0.0.1 and localhost only."
  }

  validation {
    condition     = alltrue([for each in var.issuers : length(each.audience) > 0 && alltrue([for audience in each.audience : audience != ""])])
    error_message = "audience of issuers must have at least one value, and no empty one: without an audience the API would accept tokens that the issuer made for other services."
  }

  validation {
    condition     = alltrue([for name, each in var.issuers : can(regex("^[a-z0-9-]+$", name)) && name != "iam" && can(regex("^[a-z0-9-]*$", each.path))])
    error_message = "The names and the paths of issuers must have lower-case letters, digits and hyphens only, and \"iam\" is not a name for an issuer."
  }

  validation {
    condition     = length(distinct(concat([for each in var.issuers : each.path], var.iam[*].path))) == length(var.issuers) + length(var.iam[*])
    error_message = "Each of issuers, and iam, needs a path of its own: API Gateway has one authorizer for a route."
  }
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
    condition     = length(var.routes) >= 1 && length(var.routes) * (length(var.issuers) + length(var.iam[*])) <= 300
    error_message = "routes must have at least one route, and at most 300 for all issuers and iam together, the quota of API Gateway for an HTTP API."
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

  validation {
    condition     = length(setintersection(concat([for each in var.issuers : each.path], var.iam[*].path), [for route in var.routes : try(split("/", route)[1], "")])) == 0
    error_message = "routes must not begin with the path of an issuer or of iam: rename the path."
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
