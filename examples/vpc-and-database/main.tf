# The worker runs in the VPC of a PostgreSQL database. The other functions need no database and stay outside.
module "analysis_jobs" {
  source = "../../modules/analysis-jobs"

  name              = var.name
  package           = var.package
  analyses          = ["invoice_entry"]
  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

  # A worker keeps one connection while it is warm, so this is also the number of connections.
  lanes = { medium = { maximum_concurrency = 10 } }

  worker = {
    # The worker reads the secret itself. Only its ARN is in the Terraform state and in the function's environment.
    secrets = { DATABASE_SECRET = var.database.secret_arn }
    vpc     = { security_group_ids = [aws_security_group.worker.id], subnet_ids = var.vpc.subnet_ids }
  }

  api = { authorizer = var.authorizer }
}

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Worker of ${var.name}: to its database and to AWS."
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_egress_rule" "worker_to_database" {
  security_group_id            = aws_security_group.worker.id
  description                  = "PostgreSQL."
  referenced_security_group_id = var.database.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
}

resource "aws_vpc_security_group_ingress_rule" "database_from_worker" {
  security_group_id            = var.database.security_group_id
  description                  = "Worker of ${var.name}."
  referenced_security_group_id = aws_security_group.worker.id
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
}
