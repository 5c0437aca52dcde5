variable "functions" {
  description = <<-EOT
    Settings of all four functions. `layers` are ARNs of layer versions. `vpc` has subnets and security groups;
    `worker.vpc` replaces it for the worker. `code_signing_config_arn` makes Lambda refuse a package that is not signed.
    `reserved_concurrency` reserves executions for `events` and `sweeper`; the others have their own setting.
    `snap_start` lists functions that start from a snapshot: `api`, `events`, `sweeper`, `worker`. Publishing a version
    then takes minutes longer, and Lambda bills the snapshots and each restore.
  EOT
  type = object({
    code_signing_config_arn = optional(string)
    layers                  = optional(list(string), [])
    reserved_concurrency    = optional(object({ events = optional(number), sweeper = optional(number) }), {})
    snap_start              = optional(list(string), [])
    vpc = optional(object({
      security_group_ids = list(string)
      subnet_ids         = list(string)
    }))
  })
  nullable = false
  default  = {}

  validation {
    condition     = length(setsubtract(var.functions.snap_start, ["api", "events", "sweeper", "worker"])) == 0
    error_message = "functions.snap_start must be api, events, sweeper or worker."
  }

  validation {
    condition     = alltrue([for limit in values(var.functions.reserved_concurrency) : limit == null ? true : limit >= 1 && floor(limit) == limit])
    error_message = "functions.reserved_concurrency must be whole numbers of at least 1: with 0 no event is published and no crashed job resumes."
  }

  validation {
    condition     = var.functions.vpc == null ? true : length(var.functions.vpc.security_group_ids) > 0 && length(var.functions.vpc.subnet_ids) > 0
    error_message = "functions.vpc must have at least one of subnet_ids and one of security_group_ids. The subnets need a route to DynamoDB, S3, SQS, EventBridge and the models."
  }

  validation {
    condition     = length(var.functions.layers) + (var.tracing.layer_arn == null ? 0 : 1) <= 5
    error_message = "functions.layers must have at most 5 layers together with tracing.layer_arn, the limit of Lambda."
  }

  validation {
    condition     = alltrue([for arn in var.functions.layers : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", arn))])
    error_message = "Each of functions.layers must be the ARN of one version of a layer: arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION."
  }

  validation {
    condition     = var.functions.code_signing_config_arn == null ? true : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:code-signing-config:csc-[a-z0-9]{17}$", var.functions.code_signing_config_arn))
    error_message = "functions.code_signing_config_arn must be the ARN of a configuration (arn:PARTITION:lambda:REGION:ACCOUNT:code-signing-config:csc-…), not of a signing profile."
  }
}
