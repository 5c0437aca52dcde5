variable "ca_bundle" {
  description = "Path of the CA certificates for the local PostgreSQL."
  type        = string
  nullable    = false
}

variable "databases" {
  description = "Content of the database secret of each example with a database, by its name."
  type = map(object({
    database = string
    engine   = string
    host     = string
    password = string
    port     = number
    username = string
  }))
  nullable  = false
  sensitive = true
}

variable "packages" {
  description = "Path of the manifest of each example's package, by the example's name. These examples are deployed."
  type = map(object({
    live_versions = optional(object({ api = optional(string), events = optional(string), sweeper = optional(string), worker = optional(string) }))
    manifest      = string
  }))
  nullable = false
}

variable "region" {
  description = "Region of the local cloud."
  type        = string
  nullable    = false
  default     = "eu-west-1"
}

variable "stand_in_url" {
  description = "Base URL of the stand-in for the models, which also issues the tokens."
  type        = string
  nullable    = false
}
