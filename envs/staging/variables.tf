variable "package" {
  description = "The built zip, as its manifest describes it."
  type = object({
    architecture  = optional(string)
    path          = string
    s3            = optional(object({ bucket = string, key = string }))
    sha256_base64 = string
    version       = optional(string)
  })
  nullable = false
}
