variable "package" {
  description = <<-EOT
    The built zip of all functions. `manifest` is the path of the manifest that `analysis-jobs package` writes beside the
    zip. The plan refuses a package that does not fit the settings: of another analysis, with a missing route, lane, secret
    or extra, or with a library version that this module does not fit. `s3` is where the same zip was uploaded to, in a
    bucket of this Region; Lambda requires it for a zip over 50 MB.
    For a zip of your own without a manifest, give `path` and `sha256_base64`, and if known `architecture`, `size_bytes`
    and `version`, which is recorded on every result (default: the hash). It is not compared with the settings. The zip
    may be in S3 alone if `s3` has an `object_version`.
    `live_versions` are the versions that stay in service, by function. `analysis-jobs deploy` sets them, so that an apply
    does not move the alias `live`. Without them an apply puts the newest version in service.
    `sha256` only helps to recognise the content of a manifest, which is refused.
  EOT
  type = object({
    architecture  = optional(string)
    live_versions = optional(object({ api = optional(string), events = optional(string), sweeper = optional(string), worker = optional(string) }))
    manifest      = optional(string)
    path          = optional(string)
    s3            = optional(object({ bucket = string, key = string, object_version = optional(string) }))
    sha256        = optional(string)
    sha256_base64 = optional(string)
    size_bytes    = optional(number)
    version       = optional(string)
  })
  nullable = false
}
