variable "package" {
  description = "The built zip, as its manifest describes it."
  type = object({
    architecture  = optional(string)
    path          = string
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256_base64 = string
    size_bytes    = optional(number)
    version       = optional(string)
  })
  nullable = false
}
