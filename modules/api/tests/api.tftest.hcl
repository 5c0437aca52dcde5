mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3"
      api_endpoint  = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3"
    }
  }

  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = { id = "auth1" }
  }

  mock_resource "aws_apigatewayv2_integration" {
    defaults = { id = "int1" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:access" }
  }
}

variables {
  name       = "orders-api"
  routes     = ["POST /jobs", "GET /jobs/{job_id}"]
  authorizer = { issuer = "https://issuer.example.com/pool", audience = ["orders"] }
  function = {
    name       = "orders-api"
    alias      = "live"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:orders-api:live/invocations"
  }
}

run "every_route_asks_for_a_token_and_calls_the_alias" {
  command = plan

  assert {
    condition     = toset([for route in aws_apigatewayv2_route.this : route.route_key]) == toset(["POST /jobs", "GET /jobs/{job_id}"])
    error_message = "The API must answer the routes it was given and no other."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "JWT" && route.authorizer_id == "auth1" && route.target == "integrations/int1"])
    error_message = "A route without the authorizer is open to the world."
  }

  assert {
    condition     = aws_apigatewayv2_integration.function.integration_uri == var.function.invoke_arn && aws_apigatewayv2_integration.function.payload_format_version == "2.0"
    error_message = "The integration must call the alias with payload format 2.0."
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.jwt.jwt_configuration[0].issuer == "https://issuer.example.com/pool" && aws_apigatewayv2_authorizer.jwt.jwt_configuration[0].audience == toset(["orders"])
    error_message = "The authorizer must check issuer and audience as given."
  }

  # Only this API may call the alias.
  assert {
    condition     = aws_lambda_permission.api.source_arn == "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/*"
    error_message = "The permission must name this API's ARN, so that no other API may call the function."
  }

  assert {
    condition     = aws_lambda_permission.api.qualifier == "live" && aws_lambda_permission.api.function_name == "orders-api" && aws_lambda_permission.api.principal == "apigateway.amazonaws.com"
    error_message = "The permission must be for API Gateway and sit on the alias, which is what the API calls."
  }

  # The stage.
  assert {
    condition     = aws_apigatewayv2_stage.default.name == "$default" && aws_apigatewayv2_stage.default.auto_deploy
    error_message = "A change of a route must reach the stage without a deployment resource."
  }

  assert {
    condition     = aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.default.default_route_settings[0].throttling_burst_limit == 100
    error_message = "The stage must throttle at the default rate."
  }

  assert {
    condition     = jsondecode(aws_apigatewayv2_stage.default.access_log_settings[0].format).status == "$context.status"
    error_message = "The access log must be JSON."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.retention_in_days == 30 && startswith(aws_cloudwatch_log_group.access.name, "/aws/vendedlogs/")
    error_message = "The access log must expire, and use a name that needs no log resource policy."
  }

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "Without origins there must be no CORS."
  }
}

run "scopes_and_web_origins" {
  command = plan
  variables {
    authorizer = { issuer = "http://127.0.0.1:8123", audience = ["orders"], scopes = ["jobs:write"] }
    cors       = { allow_origins = ["https://app.example.com"] }
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_scopes == toset(["jobs:write"])])
    error_message = "Every route must ask for the scopes."
  }
  assert {
    condition     = aws_apigatewayv2_api.this.cors_configuration[0].allow_origins == toset(["https://app.example.com"]) && contains(aws_apigatewayv2_api.this.cors_configuration[0].expose_headers, "retry-after")
    error_message = "The origin must be allowed, and must see the Retry-After header."
  }
}
