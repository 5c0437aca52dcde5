# A function in a VPC has no public address. These endpoints lead to what the worker calls, without a NAT gateway.
# In a VPC that has endpoints or a NAT gateway already, replace this file by one egress rule to port 443.
data "aws_region" "current" {}

# Gateway endpoints cost nothing.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["dynamodb", "s3"])

  vpc_id            = var.vpc.id
  service_name      = "com.amazonaws.${data.aws_region.current.id}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.vpc.route_table_ids
}

# Interface endpoints are billed by the hour, for each subnet.
resource "aws_vpc_endpoint" "interface" {
  for_each = toset(["bedrock-runtime", "secretsmanager", "sqs"])

  vpc_id              = var.vpc.id
  service_name        = "com.amazonaws.${data.aws_region.current.id}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  security_group_ids  = [aws_security_group.endpoints.id]
  subnet_ids          = var.vpc.subnet_ids
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints for the worker of ${var.name}."
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_worker" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "Worker of ${var.name}."
  referenced_security_group_id = aws_security_group.worker.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "worker_to_interface_endpoints" {
  security_group_id            = aws_security_group.worker.id
  description                  = "Interface endpoints."
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# The addresses behind a gateway endpoint are public ones of the service, which AWS keeps in a prefix list.
resource "aws_vpc_security_group_egress_rule" "worker_to_gateway_endpoints" {
  for_each = aws_vpc_endpoint.gateway

  security_group_id = aws_security_group.worker.id
  description       = "Gateway endpoint of ${each.key}."
  prefix_list_id    = each.value.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
