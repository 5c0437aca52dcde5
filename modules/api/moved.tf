# Addresses of earlier versions.
moved {
  from = aws_apigatewayv2_authorizer.jwt
  to   = aws_apigatewayv2_authorizer.jwt["jwt"]
}
