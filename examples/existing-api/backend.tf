locals {
  package = jsondecode(file(var.package.manifest))
}

# Stands for the stack that the team has already: a function with its role, behind an HTTP API.
resource "aws_lambda_function" "backend" {
  function_name    = "${var.name}-backend"
  architectures    = [local.package.architecture]
  filename         = "${dirname(var.package.manifest)}/${local.package.path}"
  handler          = "backend.handler"
  memory_size      = 512
  role             = aws_iam_role.backend.arn
  runtime          = "python3.13"
  source_code_hash = local.package.sha256_base64
  timeout          = 30

  environment {
    variables = module.analysis_jobs.backend_environment
  }

  depends_on = [aws_cloudwatch_log_group.backend, aws_iam_role_policy.logs, aws_iam_role_policy.jobs]
}

resource "aws_cloudwatch_log_group" "backend" {
  name              = "/aws/lambda/${var.name}-backend"
  retention_in_days = 30
}

resource "aws_iam_role" "backend" {
  name = "${var.name}-backend"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "logs" {
  name = "logs"
  role = aws_iam_role.backend.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.backend.arn}:*"
    }]
  })
}

resource "aws_apigatewayv2_api" "backend" {
  name          = "${var.name}-backend"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_authorizer" "backend" {
  api_id           = aws_apigatewayv2_api.backend.id
  name             = "${var.name}-backend"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    audience = var.authorizer.audience
    issuer   = var.authorizer.issuer
  }
}

resource "aws_apigatewayv2_integration" "backend" {
  api_id                 = aws_apigatewayv2_api.backend.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.backend.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "backend" {
  for_each = toset([
    "GET /triages/{job_id}", "GET /triages/{job_id}/result", "POST /attachments/{filename}", "POST /tickets/{id}/triage",
    "POST /triages/{job_id}/cancel",
  ])

  api_id             = aws_apigatewayv2_api.backend.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.backend.id}"
  authorization_type = "JWT"
  authorizer_id      = aws_apigatewayv2_authorizer.backend.id
}

resource "aws_apigatewayv2_stage" "backend" {
  api_id      = aws_apigatewayv2_api.backend.id
  name        = "$default"
  auto_deploy = true
}

resource "aws_lambda_permission" "backend" {
  statement_id  = "http-api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.backend.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.backend.execution_arn}/*"
}
