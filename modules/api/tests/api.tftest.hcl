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
  name    = "orders-api"
  routes  = ["POST /jobs", "GET /jobs/{job_id}"]
  issuers = { jwt = { issuer = "https://issuer.example.com/pool", audience = ["orders"] } }
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
    condition     = aws_apigatewayv2_authorizer.jwt["jwt"].jwt_configuration[0].issuer == "https://issuer.example.com/pool" && aws_apigatewayv2_authorizer.jwt["jwt"].jwt_configuration[0].audience == toset(["orders"])
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
    issuers = { jwt = { issuer = "http://127.0.0.1:8123", audience = ["orders"], scopes = ["jobs:write"] } }
    cors    = { allow_origins = ["https://app.example.com"] }
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

run "several_kinds_of_callers_on_a_domain_of_their_own" {
  command = plan
  variables {
    issuers = {
      jwt     = { issuer = "https://issuer.example.com/pool", audience = ["orders"] }
      partner = { issuer = "https://partner.example.com", audience = ["partner"], path = "partner" }
    }
    iam              = {}
    default_endpoint = false
    domain = {
      base_path       = "analysis"
      certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/1"
      mutual_tls      = { truststore_uri = "s3://trust/clients.pem" }
      name            = "jobs.example.com"
      route53         = { zone_id = "Z1" }
    }
  }

  assert {
    condition = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type } == {
      "POST /jobs"                 = "JWT"
      "GET /jobs/{job_id}"         = "JWT"
      "POST /partner/jobs"         = "JWT"
      "GET /partner/jobs/{job_id}" = "JWT"
      "POST /iam/jobs"             = "AWS_IAM"
      "GET /iam/jobs/{job_id}"     = "AWS_IAM"
    }
    error_message = "Each kind of caller must have all routes, with its own authorization and no other."
  }
  assert {
    condition     = aws_apigatewayv2_authorizer.jwt["partner"].jwt_configuration[0].issuer == "https://partner.example.com" && aws_apigatewayv2_authorizer.jwt["partner"].jwt_configuration[0].audience == toset(["partner"])
    error_message = "The partner's authorizer must check the partner's tokens."
  }
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : (route.authorization_type == "AWS_IAM") == (route.authorizer_id == null)])
    error_message = "Every route for tokens needs an authorizer."
  }
  assert {
    condition = output.urls == {
      iam     = "https://jobs.example.com/analysis/iam"
      jwt     = "https://jobs.example.com/analysis"
      partner = "https://jobs.example.com/analysis/partner"
    }
    error_message = "Each kind of caller must get its URL on the domain."
  }
  assert {
    condition     = output.iam_resource == "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/*/*/iam/*"
    error_message = "A policy must not allow the routes of the other callers."
  }
  assert {
    condition     = aws_apigatewayv2_api.this.disable_execute_api_endpoint && aws_apigatewayv2_domain_name.this["jobs.example.com"].mutual_tls_authentication[0].truststore_uri == "s3://trust/clients.pem"
    error_message = "Callers must not get round the certificate."
  }
  assert {
    condition     = aws_apigatewayv2_api_mapping.this["jobs.example.com"].api_mapping_key == "analysis" && aws_apigatewayv2_api_mapping.this["jobs.example.com"].api_id == "a1b2c3"
    error_message = "The domain must lead to this API."
  }
  assert {
    condition     = aws_route53_record.domain["jobs.example.com"].zone_id == "Z1" && aws_route53_record.domain["jobs.example.com"].name == "jobs.example.com"
    error_message = "The domain must have a DNS record."
  }
}

run "a_path_on_a_domain_that_exists" {
  command = plan
  variables {
    domain = { base_path = "analysis", existing = true, name = "api.example.com" }
  }

  assert {
    condition     = length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_route53_record.domain) == 0 && aws_apigatewayv2_api_mapping.this["api.example.com"].domain_name == "api.example.com"
    error_message = "Only the mapping must be added to a domain that exists."
  }
  assert {
    condition     = output.url == "https://api.example.com/analysis" && !aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "The URL must be that of the domain."
  }
}

run "aws_credentials_alone" {
  command = plan
  variables {
    issuers = {}
    iam     = { path = "" }
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type } == { "POST /jobs" = "AWS_IAM", "GET /jobs/{job_id}" = "AWS_IAM" } && output.iam_resource == "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/*/*/*"
    error_message = "Without issuers the routes can have no prefix."
  }
}
