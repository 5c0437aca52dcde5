variable "package" {
  description = "Path of the built package's `manifest`. `s3` is where its zip was uploaded to, if it was. `live_versions` is set by `analysis-jobs deploy`."
  type = object({
    live_versions = optional(object({ api = optional(string), events = optional(string), sweeper = optional(string), worker = optional(string) }))
    manifest      = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
  })
  nullable = false
}
