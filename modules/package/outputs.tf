output "architecture" {
  description = "Processor that the package was built for; null if nobody says."
  value       = local.architecture
}

output "library_versions" {
  description = "Versions of the library that this release of the modules fits, without the last number."
  value       = local.library_versions
}

output "live_versions" {
  description = "Version of each function that stays in service, by `api`, `events`, `sweeper` and `worker`; null for the newest one."
  value = {
    for function in ["api", "events", "sweeper", "worker"] : function => try(var.package.live_versions[function], null)
  }
}

output "version" {
  description = "Version that is recorded on every result: that of the manifest, else the hash."
  value       = try(local.manifest.version, coalesce(var.package.version, local.sha256_base64))
}

output "worker" {
  description = "What a worker of this package needs: `memory_mb`, and `jobs_per_invocation`, which is 20 if every analysis of the stack declares `mostly_waits`, else 1."
  value = {
    jobs_per_invocation = local.mostly_waits ? 20 : 1
    memory_mb           = local.memory_mb
  }
}

output "zip" {
  description = "The zip as the function module takes it: `path`, `sha256_base64` and `s3`."
  value = {
    path          = local.path
    s3            = var.package.s3
    sha256_base64 = local.sha256_base64
  }
}
