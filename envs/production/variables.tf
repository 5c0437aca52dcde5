variable "package" {
  description = "Path of the built package's `manifest`. `s3` is where its zip was uploaded to, if it was."
  type = object({
    manifest = string
    s3       = optional(object({ bucket = string, key = string, object_version = optional(string) }))
  })
  nullable = false
}
