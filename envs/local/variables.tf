variable "ca_bundle" {
  description = "Path of the certificates that the local PostgreSQL is checked with."
  type        = string
  nullable    = false
}

variable "databases" {
  description = "By the name of each example that has a database: what its secret holds."
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
  description = "By the name of each example that shall be here: its built zip, as the manifest describes it."
  type = map(object({
    architecture  = optional(string)
    path          = string
    sha256_base64 = string
    version       = optional(string)
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
