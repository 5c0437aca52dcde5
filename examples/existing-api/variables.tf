variable "authorizer" {
  description = "Issuer and audience of the tokens that the API accepts. The claim `tenant` of a token names the owner of the job."
  type = object({
    issuer   = string
    audience = list(string)
  })
  nullable = false
}

variable "environment" {
  description = "Environment variables of all functions."
  type        = map(string)
  nullable    = false
  default     = {}
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
