# Reads the package's manifest, and refuses a package that does not fit the settings.
module "package" {
  source = "../package"

  analyses     = var.analyses
  architecture = var.worker.architecture
  documents    = { ocr = var.documents.ocr, ocr_languages = var.documents.ocr_languages }
  fifo         = var.queue.fifo
  lanes        = keys(var.lanes)
  otel         = var.tracing.otel != null
  package      = var.package
  routes       = try(var.api.routes, null)
  secrets      = concat(keys(var.worker.secrets), keys(var.worker.environment), keys(var.environment))

  models = {
    application_inference_profile_arns = var.application_inference_profile_arns
    bedrock_model_ids                  = var.bedrock_model_ids
    geographies                        = var.model_access.geographies
    model_id                           = var.model_id
  }
}
