variable "package" {
  description = "The built zip, as its manifest describes it."
  type = object({
    architecture  = optional(string)
    path          = string
    sha256_base64 = string
    version       = optional(string)
  })
  nullable = false
}
