locals {
  # A metric filter can take dimensions from the log line only. So the stack's name is in the namespace.
  access_namespace = "${var.service.namespace}/${var.service.name}"
}

# API Gateway's own metric 4xx counts invalid requests and unknown jobs too.
resource "aws_cloudwatch_log_metric_filter" "refused" {
  count = try(var.api.access_log, null) == null ? 0 : 1

  name           = "${var.name}-requests-refused"
  log_group_name = var.api.access_log
  pattern        = "{ ($.status = \"401\") || ($.status = \"403\") }"

  metric_transformation {
    name      = "RequestsRefused"
    namespace = local.access_namespace
    value     = "1"
    unit      = "Count"
  }
}
