locals {
  # The module sets the variables that these versions of the library read, and gives the rights that they need. A version
  # is given without its last number.
  library_versions = ["0.1"]

  # null without a manifest, and for a file that is not JSON.
  manifest      = try(jsondecode(file(var.package.manifest)), null)
  architecture  = try(local.manifest.architecture, var.package.architecture)
  sha256_base64 = try(local.manifest.sha256_base64, var.package.sha256_base64)

  # The zip is beside its manifest. It may be in S3 alone if `s3` pins a version.
  beside = try("${dirname(var.package.manifest)}/${local.manifest.path}", var.package.path)
  in_s3  = try(var.package.s3.object_version, null) != null
  path   = local.in_s3 && !try(fileexists(local.beside), false) ? null : local.beside

  # Without declarations nothing is compared: the package is described by hand.
  is_compared   = can(local.manifest.declarations.analyses)
  declared      = try(local.manifest.declarations.analyses, [])
  modules       = distinct(local.declared[*].module)
  distributions = keys(try(local.manifest.distributions, {}))
  languages     = try(local.manifest.declarations.ocr_languages, [])
  label         = try("the package ${local.manifest.path} of the project ${local.manifest.project.name}", "the package")

  # Only the analyses that the stack runs count.
  used        = [for analysis in local.declared : analysis if contains(var.analyses, analysis.module)]
  used_lanes  = distinct(flatten(local.used[*].lanes))
  used_models = distinct(compact(local.used[*].model_id))
  used_routes = distinct(flatten(local.used[*].routes))

  # A worker of the library alone holds 65 MB, and a process that reads a document without OCR as much again. One page with
  # Tesseract takes 105 MB. A package that is described by hand may need anything.
  reads_scans  = contains(local.distributions, "tesserocr") && coalesce(var.documents.ocr, "tesseract") == "tesseract"
  memory_mb    = local.is_compared && !local.reads_scans ? 256 : 1024
  mostly_waits = length(local.used) > 0 && alltrue([for analysis in local.used : try(analysis.mostly_waits, false)])

  used_secrets = distinct(concat(
    try(local.manifest.declarations.secrets, []),
    anytrue([for id in local.used_models : startswith(id, "gemini-")]) ? ["GEMINI_API_KEY"] : [],
  ))
}

variable "analyses" {
  description = "Import paths of the modules that the stack loads. The package must declare them."
  type        = list(string)
  nullable    = false

  validation {
    condition     = !local.is_compared || length(setsubtract(var.analyses, local.modules)) == 0
    error_message = "analyses names ${join(", ", setsubtract(var.analyses, local.modules))}, which ${local.label} does not declare. It declares ${join(", ", local.modules)}. Correct analyses, or pass the manifest of the right package. A new analysis must be in [tool.analysis-jobs] analyses of pyproject.toml before the package is built."
  }
}

variable "architecture" {
  description = "Processor of the functions; null for that of the package."
  type        = string
  default     = null

  validation {
    condition     = local.architecture == null || var.architecture == null ? true : local.architecture == var.architecture
    error_message = "worker.architecture is ${coalesce(var.architecture, "another one")}, and ${local.label} is for ${coalesce(local.architecture, "another processor")}: compiled code of one processor does not run on the other. Pass the manifest of the other zip, or leave worker.architecture out."
  }
}

variable "documents" {
  description = "How documents are read: `ocr` and `ocr_languages`, as the module analysis-jobs has them."
  type = object({
    ocr           = optional(string)
    ocr_languages = optional(list(string))
  })
  nullable = false
  default  = {}

  validation {
    condition     = !local.is_compared || var.documents.ocr != "tesseract" || contains(local.distributions, "tesserocr")
    error_message = "documents.ocr is \"tesseract\", and ${local.label} lacks the extra ocr: add extras = [\"ocr\"] to [tool.analysis-jobs] in pyproject.toml and build the package again, or use \"textract\" or \"none\"."
  }

  validation {
    condition     = !local.is_compared || var.documents.ocr_languages == null ? true : length(setsubtract(var.documents.ocr_languages, local.languages)) == 0
    error_message = "documents.ocr_languages has ${try(join(", ", setsubtract(var.documents.ocr_languages, local.languages)), "other languages")}, and ${local.label} has the data of ${join(", ", coalescelist(local.languages, ["no language"]))}. Add ${try(join(", ", [for code in setsubtract(var.documents.ocr_languages, local.languages) : code == "eng" ? "\"ocr\"" : "\"ocr-${code}\""]), "it")} to extras of [tool.analysis-jobs] in pyproject.toml, and build the package again."
  }
}

variable "fifo" {
  description = "Whether the queues are FIFO queues."
  type        = bool
  nullable    = false
  default     = false

  validation {
    condition     = !var.fifo || alltrue([for analysis in local.used : length(analysis.tiers) == 0])
    error_message = "queue.fifo cannot be true, because ${join(", ", [for analysis in local.used : analysis.name if length(analysis.tiers) > 0])} in ${local.label} has tiers: a FIFO queue keeps its own order. Set queue.fifo = false, or remove the tiers."
  }
}

variable "lanes" {
  description = "Names of the stack's lanes."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(local.used_lanes, var.lanes)) == 0
    error_message = "lanes lacks ${join(", ", setsubtract(local.used_lanes, var.lanes))}, which a trigger in ${local.label} sets as its priority. Add it: lanes = { ${join(", ", [for lane in setunion(var.lanes, local.used_lanes) : "${lane} = {}"])} }."
  }
}

variable "models" {
  description = "What the worker may call: `bedrock_model_ids`, `geographies`, `application_inference_profile_arns`, and the default `model_id`, as the module analysis-jobs has them."
  type = object({
    application_inference_profile_arns = optional(list(string), [])
    bedrock_model_ids                  = optional(list(string), [])
    geographies                        = optional(list(string))
    model_id                           = optional(string)
  })
  nullable = false
  default  = {}

  validation {
    # The same rule as in the role's policy.
    condition = alltrue([
      for id in local.used_models : startswith(id, "gemini-") || contains(var.models.application_inference_profile_arns, id) || anytrue([
        for pattern in var.models.bedrock_model_ids : can(regex("(^|^(${join("|", coalesce(var.models.geographies, ["[a-z]{2}", "apac", "global", "us-gov"]))})\\.|:foundation-model/|:inference-profile/(${join("|", coalesce(var.models.geographies, ["[a-z]{2}", "apac", "global", "us-gov"]))})\\.)${replace(replace(pattern, ".", "\\."), "*", ".*")}$", id))
      ])
    ])
    error_message = "bedrock_model_ids and model_access.geographies do not allow a model that an analysis in ${local.label} names, so Bedrock would deny its calls. The analyses name ${join(", ", local.used_models)}: add a pattern such as \"anthropic.claude-sonnet-4-5-*\", or the geography of the profile."
  }

  validation {
    condition     = !local.is_compared || contains(local.distributions, "google-genai") || !anytrue([for id in concat(local.used_models, compact([var.models.model_id])) : startswith(id, "gemini-")])
    error_message = "model_id or an analysis names a Gemini model, and ${local.label} lacks the extra gemini: add extras = [\"gemini\"] to [tool.analysis-jobs] in pyproject.toml, and build the package again."
  }
}

variable "otel" {
  description = "Whether the functions trace with the library's own OpenTelemetry."
  type        = bool
  nullable    = false
  default     = false

  validation {
    condition     = !var.otel || !local.is_compared || contains(local.distributions, "opentelemetry-exporter-otlp-proto-http")
    error_message = "tracing.otel is set, and ${local.label} lacks the extra otel: add extras = [\"otel\"] to [tool.analysis-jobs] in pyproject.toml and build the package again, or leave tracing.otel out."
  }
}

variable "package" {
  description = "The built zip, as the module analysis-jobs takes it: `manifest`, or `path` and `sha256_base64`."
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

  validation {
    condition     = var.package.sha256 == null
    error_message = "package has the content of a manifest. Give the path of the manifest, package = { manifest = \"dist/letters-arm64.json\" }: then the module finds the zip beside it, and compares the package with the settings."
  }

  validation {
    condition     = var.package.sha256 != null || (var.package.sha256_base64 != null && (var.package.path != null || try(var.package.s3.object_version, null) != null)) != (var.package.manifest != null)
    error_message = "package needs either the path of its manifest, package = { manifest = \"dist/letters-arm64.json\" }, or sha256_base64 and path of a zip of your own. A zip that is in S3 alone needs s3 with an object_version instead of path: without the file, only the version says which bytes are deployed."
  }

  validation {
    condition     = var.package.manifest == null ? true : fileexists(var.package.manifest)
    error_message = "There is no file ${coalesce(var.package.manifest, "…")}, which package.manifest names: build the package with `analysis-jobs package`. A relative path begins at the folder that Terraform runs in; \"$${path.module}/…\" begins at the file that names it."
  }

  validation {
    condition     = !try(fileexists(var.package.manifest), false) || can(jsondecode(file(var.package.manifest)).declarations.analyses)
    error_message = "${coalesce(var.package.manifest, "…")} is not the manifest of a package, or an older version of analysis-jobs wrote it: build the package again."
  }

  validation {
    condition = !can(jsondecode(file(var.package.manifest)).declarations.analyses) || contains(
      local.library_versions, try(join(".", slice(split(".", jsondecode(file(var.package.manifest)).library.version), 0, 2)), "")
    )
    error_message = "The package contains analysis-jobs ${try(jsondecode(file(var.package.manifest)).library.version, "of an unknown version")}, and this module fits the versions ${join(", ", [for version in local.library_versions : "${version}.x"])}. Use the module of the same release, or build the package with a version that fits."
  }

  validation {
    condition     = alltrue([for version in values(coalesce(var.package.live_versions, {})) : version == null ? true : can(regex("^[1-9][0-9]*$", version))])
    error_message = "package.live_versions must have numbers of published versions, such as { api = \"7\", worker = \"7\" }. `analysis-jobs deploy` sets them; leave them out to put the newest version in service."
  }

  validation {
    condition     = var.package.sha256_base64 == null || can(regex("^[A-Za-z0-9+/]{43}=$", var.package.sha256_base64))
    error_message = "package.sha256_base64 must be a SHA-256 in base64, 44 characters that end in \"=\", as filebase64sha256(path) returns it. A hexadecimal hash is refused."
  }

  validation {
    condition     = var.package.s3 == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{2,62}$", var.package.s3.bucket)) && !startswith(var.package.s3.key, "/") && length(var.package.s3.key) > 0
    error_message = "package.s3 must have the name of a bucket and a key without a leading slash, not a URL: { bucket = \"acme-packages\", key = \"rfp-analysis-arm64.zip\" }."
  }

  validation {
    # Lambda's limit for a zip in a request, in bytes. Without a size the apply fails instead of the plan.
    condition     = var.package.s3 != null || try(jsondecode(file(var.package.manifest)).size_bytes, coalesce(var.package.size_bytes, 0)) <= 52428800
    error_message = "The package has ${try(jsondecode(file(var.package.manifest)).size_bytes, coalesce(var.package.size_bytes, 0))} bytes, and Lambda accepts at most 52428800 (50 MB) that do not come from S3: upload the zip to a bucket in this Region and set package.s3 = { bucket, key }. `analysis-jobs deploy` does both if the environment names a package_bucket."
  }

  validation {
    condition     = contains(["arm64", "x86_64"], try(jsondecode(file(var.package.manifest)).architecture, coalesce(var.package.architecture, "arm64")))
    error_message = "The package was built for ${try(jsondecode(file(var.package.manifest)).architecture, coalesce(var.package.architecture, "arm64"))}, and Lambda runs arm64 and x86_64: build it with `analysis-jobs package`, without `--architecture host`."
  }
}

variable "routes" {
  description = "The API's routes in addition to the standard ones; null without an API."
  type        = list(string)
  default     = null

  validation {
    condition     = var.routes == null ? true : length(setsubtract(local.used_routes, var.routes)) == 0
    error_message = "api.routes lacks ${try(join(", ", setsubtract(local.used_routes, var.routes)), "routes")}, which an analysis in ${local.label} declares. Add it: routes = [${join(", ", [for route in local.used_routes : jsonencode(route)])}]."
  }

  validation {
    condition     = !local.is_compared || var.routes == null ? true : length(setsubtract(var.routes, flatten(local.declared[*].routes))) == 0
    error_message = "api.routes has ${try(join(", ", setsubtract(var.routes, flatten(local.declared[*].routes))), "routes")}, which no analysis in ${local.label} declares: the API would answer 404. Correct or remove it. Declared are ${join(", ", coalescelist(distinct(flatten(local.declared[*].routes)), ["no routes"]))}."
  }
}

variable "secrets" {
  description = "Names of the variables that the worker gets: those of `worker.secrets` and of the environment."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(setsubtract(local.used_secrets, var.secrets)) == 0
    error_message = "worker.secrets lacks ${join(", ", setsubtract(local.used_secrets, var.secrets))}, which the code in ${local.label} reads. Add the ARN: worker = { secrets = { ${join(", ", [for name in setsubtract(local.used_secrets, var.secrets) : "${name} = \"arn:…\""])} } }."
  }
}
