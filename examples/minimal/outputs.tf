output "deployment" {
  description = "Names and URLs of the stack."
  value       = module.analysis_jobs.deployment
}
