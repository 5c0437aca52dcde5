output "deployment" {
  description = "Names and URLs of the stack."
  value       = module.rfp_analysis.deployment
}
