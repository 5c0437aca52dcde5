variable "gemini_key_arn" {
  description = "ARN of the SSM parameter or Secrets Manager secret that holds the API key of Gemini."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Prefix of all names in the stack."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Path of the built package's `manifest`. `s3` is where its zip was uploaded to, if it was. `live_versions` is set by `analysis-jobs deploy`."
  type = object({
    live_versions = optional(object({ api = optional(string), events = optional(string), sweeper = optional(string), worker = optional(string) }))
    manifest      = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
  })
  nullable = false
}

variable "settings" {
  description = <<-EOT
    What differs between environments. Only `authorizer` is required: the issuer and audience of the tokens that the API
    accepts. `alarm_emails` receive the alarms. `maximum_concurrency` is the number of analyses that run at once, 2 to 1000; without it there is no limit.
    `web_origins` are the web pages that may call the API. `environment` is set on all functions. The others are
    described in the module.
  EOT
  type = object({
    alarm_emails = optional(list(string), [])
    authorizer = object({
      issuer       = string
      audience     = list(string)
      scopes       = optional(list(string))
      tenant_claim = optional(string)
    })
    deletion_protection = optional(bool, true)
    environment         = optional(map(string), {})
    lease               = optional(object({ heartbeat_s = optional(number), lease_s = optional(number) }), {})
    maximum_concurrency = optional(number)
    web_origins         = optional(list(string), [])
  })
  nullable = false
}
