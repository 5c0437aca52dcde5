variable "authorizer" {
  description = "Issuer and audience of the tokens that the API accepts. The claim `tenant` of a token names the owner of the job."
  type = object({
    issuer   = string
    audience = list(string)
  })
  nullable = false
}

variable "database" {
  description = "The PostgreSQL database: the ARN of the Secrets Manager secret with its login (`host`, `port`, `username`, `password`, and `database` or `dbname`), its security group, and its port."
  type = object({
    port              = optional(number, 5432)
    secret_arn        = string
    security_group_id = string
  })
  nullable = false
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

variable "vpc" {
  description = "The VPC of the database: the private subnets that the worker runs in, and their route tables."
  type = object({
    id              = string
    route_table_ids = list(string)
    subnet_ids      = list(string)
  })
  nullable = false
}
