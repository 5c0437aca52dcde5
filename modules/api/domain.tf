# A domain of your own. Its URL stays the same when the API behind it is replaced.
resource "aws_apigatewayv2_domain_name" "this" {
  for_each = local.own_domain

  domain_name = each.key
  tags        = var.tags

  domain_name_configuration {
    certificate_arn                        = each.value.certificate_arn
    endpoint_type                          = "REGIONAL"
    ownership_verification_certificate_arn = each.value.ownership_certificate_arn
    security_policy                        = "TLS_1_2"
  }

  dynamic "mutual_tls_authentication" {
    for_each = each.value.mutual_tls[*]

    content {
      truststore_uri     = mutual_tls_authentication.value.truststore_uri
      truststore_version = mutual_tls_authentication.value.truststore_version
    }
  }
}

locals {
  # Keys that are known at plan time: the certificate and the zone may be created in the same apply.
  own_domain = { for domain in var.domain[*] : domain.name => domain if !domain.existing }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = { for domain in var.domain[*] : domain.name => domain.base_path }

  api_id          = aws_apigatewayv2_api.this.id
  api_mapping_key = each.value
  domain_name     = try(aws_apigatewayv2_domain_name.this[each.key].domain_name, each.key)
  stage           = aws_apigatewayv2_stage.default.name
}

resource "aws_route53_record" "domain" {
  for_each = { for name, domain in local.own_domain : name => domain.route53 if domain.route53 != null }

  name    = each.key
  type    = "A"
  zone_id = each.value.zone_id

  alias {
    evaluate_target_health = false
    name                   = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].hosted_zone_id
  }
}
