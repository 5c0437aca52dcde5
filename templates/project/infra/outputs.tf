output "api_url" {
  description = "Base URL of the API."
  value       = module.analysis_jobs.api_url
}

output "deployment" {
  description = "Names and URLs of the stack."
  value       = module.analysis_jobs.deployment
}
