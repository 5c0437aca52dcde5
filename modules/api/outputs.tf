output "authorizer_id" {
  description = "ID of the JWT authorizer, for a route added outside this module."
  value       = aws_apigatewayv2_authorizer.jwt.id
}

output "execution_arn" {
  description = "ARN that a function's permission names to be callable by this API alone."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "id" {
  description = "ID of the API, as its metrics name it."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Base URL of the API, without a trailing slash."
  value       = aws_apigatewayv2_api.this.api_endpoint
  # Before the stage is there the URL answers 404 only.
  depends_on = [aws_apigatewayv2_stage.default, aws_apigatewayv2_route.this]
}
