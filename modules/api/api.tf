resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Submits and follows jobs, and uploads documents."
  protocol_type = "HTTP"
  tags          = var.tags

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

resource "aws_apigatewayv2_authorizer" "jwt" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "${var.name}-jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.authorizer.issuer
    audience = var.authorizer.audience
  }
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.function.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = toset(var.routes)

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.value
  target               = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type   = "JWT"
  authorizer_id        = aws_apigatewayv2_authorizer.jwt.id
  authorization_scopes = var.authorizer.scopes
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
