output "backend_url" {
  description = "Base URL of the team's own API, without a trailing slash."
  value       = aws_apigatewayv2_api.backend.api_endpoint
}

output "deployment" {
  description = "Names and URLs of the analysis stack."
  value       = module.analysis_jobs.deployment
}
