output "authorizer_id" {
  description = "ID of the JWT authorizer, for routes that are added outside this module."
  value       = aws_apigatewayv2_authorizer.jwt.id
}

output "execution_arn" {
  description = "Execution ARN of the API, for the permission of a function that only this API may invoke."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "id" {
  description = "ID of the API, which is the dimension of its metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Base URL of the API, without a trailing slash."
  value       = aws_apigatewayv2_api.this.api_endpoint
  # Without the stage and the routes the URL answers 404.
  depends_on = [aws_apigatewayv2_stage.default, aws_apigatewayv2_route.this]
}
