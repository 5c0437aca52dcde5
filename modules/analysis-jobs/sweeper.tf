module "sweeper" {
  source = "../function"

  name         = local.names.functions.sweeper
  role_name    = local.names.roles.sweeper
  handler      = "sweeper.handler"
  package      = module.package.zip
  live_version = module.package.live_versions.sweeper
  architecture = local.architecture
  # Shorter than the minute between two sweeps.
  timeout_s = 50
  # This memory gives it 58 % of a processor. docs/scale.md has the figures.
  memory_mb          = 1024
  environment        = local.environment
  statements         = local.sweeper_statements
  log_retention_days = var.retention.logs_days
  tags               = var.tags

  code_signing_config_arn = var.functions.code_signing_config_arn
  kms_key_arn             = one(var.encryption[*].key_arn)
  layers                  = local.layers
  log_class               = var.logs.class
  log_format              = var.logs.format
  log_key_arn             = local.log_key_arn
  log_level               = local.log_level
  role                    = { path = var.role.path, permissions_boundary_arn = var.role.permissions_boundary_arn }
  snap_start              = contains(var.functions.snap_start, "sweeper")
  tracing                 = local.tracing
  reserved_concurrency    = var.functions.reserved_concurrency.sweeper
  vpc                     = var.functions.vpc
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = local.names.sweep_rule
  description         = "Starts the sweeper, which finds overdue jobs."
  schedule_expression = "rate(1 minute)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "sweep" {
  rule = aws_cloudwatch_event_rule.sweep.name
  arn  = module.sweeper.alias_arn
}

resource "aws_lambda_permission" "sweep" {
  statement_id  = "${var.name}-sweep"
  action        = "lambda:InvokeFunction"
  function_name = module.sweeper.name
  qualifier     = module.sweeper.alias_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.sweep.arn
}

# The next sweep is the retry. A retried one would only run concurrently with it.
resource "aws_lambda_function_event_invoke_config" "sweep" {
  function_name                = module.sweeper.name
  qualifier                    = module.sweeper.alias_name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}
