locals {
  base_url = one([
    for domain in var.domain[*] : "https://${domain.name}${domain.base_path == "" ? "" : "/${domain.base_path}"}"
  ])
  url = local.base_url == null ? aws_apigatewayv2_api.this.api_endpoint : local.base_url
}

output "access_log_group_name" {
  description = "Name of the log group of the access log."
  value       = aws_cloudwatch_log_group.access.name
}

output "arn" {
  description = "ARN of the API."
  value       = aws_apigatewayv2_api.this.arn
}

output "authorizer_ids" {
  description = "IDs of the JWT authorizers by the names of `issuers`, for routes that are added outside this module."
  value       = { for name, authorizer in aws_apigatewayv2_authorizer.jwt : name => authorizer.id }
}

output "domain_target" {
  description = "Host name and hosted zone of the custom domain, for a DNS record outside this module; null unless this module creates the domain."
  value = one([
    for domain in aws_apigatewayv2_domain_name.this : {
      hosted_zone_id = domain.domain_name_configuration[0].hosted_zone_id
      name           = domain.domain_name_configuration[0].target_domain_name
    }
  ])
}

output "execution_arn" {
  description = "Execution ARN of the API, for the permission of a function that only this API may invoke."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "iam_resource" {
  description = "Resource of `execute-api:Invoke` for callers that sign with SigV4; null without `iam`."
  value       = one([for iam in var.iam[*] : "${aws_apigatewayv2_api.this.execution_arn}/*/*/${iam.path == "" ? "" : "${iam.path}/"}*"])
}

output "id" {
  description = "ID of the API, which is the dimension of its metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Base URL of the API, without a trailing slash: that of the custom domain if there is one."
  value       = local.url
  # Without the stage and the routes the URL answers 404.
  depends_on = [aws_apigatewayv2_api_mapping.this, aws_apigatewayv2_stage.default, aws_apigatewayv2_route.this]
}

output "urls" {
  description = "Base URL for each kind of caller: by the names of `issuers`, and `iam`."
  value       = { for name, path in local.paths : name => path == "" ? local.url : "${local.url}/${path}" }
  depends_on  = [aws_apigatewayv2_api_mapping.this, aws_apigatewayv2_stage.default, aws_apigatewayv2_route.this]
}
