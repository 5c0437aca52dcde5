resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Submits and follows jobs, and uploads documents."
  protocol_type = "HTTP"
  tags          = var.tags

  disable_execute_api_endpoint = !var.default_endpoint

  # API Gateway answers preflight requests itself. They need no route, no token and no function.
  dynamic "cors_configuration" {
    for_each = length(var.cors.allow_origins) > 0 ? [var.cors] : []

    content {
      allow_origins  = cors_configuration.value.allow_origins
      allow_headers  = cors_configuration.value.allow_headers
      allow_methods  = cors_configuration.value.allow_methods
      expose_headers = cors_configuration.value.expose_headers
      max_age        = cors_configuration.value.max_age_s
    }
  }
}

# API Gateway allows one authorizer for a route, and one issuer for a JWT authorizer. So each issuer has its own copy of the
# routes, below its own path.
resource "aws_apigatewayv2_authorizer" "jwt" {
  for_each = var.issuers

  api_id           = aws_apigatewayv2_api.this.id
  name             = "${var.name}-${each.key}"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = each.value.issuer
    audience = each.value.audience
  }
}

locals {
  paths = merge({ for name, issuer in var.issuers : name => issuer.path }, { for iam in var.iam[*] : "iam" => iam.path })

  routes = merge([
    for name, path in local.paths : {
      for route in var.routes : (path == "" ? route : replace(route, " /", " /${path}/")) => name
    }
  ]...)
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.function.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.key
  target               = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type   = each.value == "iam" ? "AWS_IAM" : "JWT"
  authorizer_id        = each.value == "iam" ? null : aws_apigatewayv2_authorizer.jwt[each.value].id
  authorization_scopes = each.value == "iam" ? null : var.issuers[each.value].scopes
}

resource "aws_lambda_permission" "api" {
  statement_id  = "${var.name}-http-api"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "apigateway.amazonaws.com"
  # Every stage and route of this API only.
  source_arn = "${aws_apigatewayv2_api.this.execution_arn}/*"
}
