resource "aws_cloudwatch_log_group" "access" {
  # API Gateway adds other log groups to a resource policy of the account, whose size limit allows a few dozen of them.
  # Log groups with this prefix are not added.
  name              = "/aws/vendedlogs/apigateway/${var.name}"
  kms_key_id        = var.log_key_arn
  log_group_class   = var.log_class
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_burst_limit = var.throttling.burst
    throttling_rate_limit  = var.throttling.rate
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # Tokens and query strings are left out: more people may read the log than may read a job.
    format = jsonencode({
      request_id       = "$context.requestId"
      time             = "$context.requestTime"
      source_ip        = "$context.identity.sourceIp"
      user_agent       = "$context.identity.userAgent"
      route            = "$context.routeKey"
      path             = "$context.path"
      status           = "$context.status"
      response_bytes   = "$context.responseLength"
      latency_ms       = "$context.responseLatency"
      function_ms      = "$context.integrationLatency"
      function_error   = "$context.integrationErrorMessage"
      authorizer_error = "$context.authorizer.error"
      gateway_error    = "$context.error.message"
      function_status  = "$context.integrationStatus"
      function_request = "$context.awsEndpointRequestId"
    })
  }
}
