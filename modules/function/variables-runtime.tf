variable "layers" {
  description = "ARNs of layers, with their version, at most 5. Their files are under /opt, and count towards the 250 MB of an unzipped function."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layers) <= 5
    error_message = "layers must have at most 5 ARNs, the limit of Lambda."
  }

  validation {
    condition     = alltrue([for arn in var.layers : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", arn))])
    error_message = "Each of layers must be the ARN of one version of a layer: arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION."
  }
}

variable "live_version" {
  description = "Number of the version that the alias \"live\" points at. Null: the newest one, so that an apply deploys. A deployment tool that moves the alias itself gives the version in service."
  type        = string
  default     = null

  validation {
    condition     = var.live_version == null ? true : can(regex("^[1-9][0-9]*$", var.live_version))
    error_message = "live_version must be the number of a published version, such as \"7\", or null. The alias cannot point at $LATEST."
  }
}

variable "snap_start" {
  description = "Whether new executions start from a snapshot of the initialized function instead of importing it. A version takes minutes longer to publish. Lambda bills the cached snapshot and each restore of a Python function."
  type        = bool
  default     = false
  nullable    = false
}
