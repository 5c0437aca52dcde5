data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # `medium` keeps the plain name whatever lanes come or go beside it: a renamed queue would be a new, empty one.
  queue_names = {
    for lane in keys(var.lanes) : lane => "${var.name}-jobs${lane == "medium" ? "" : "-${lane}"}${var.queue.fifo ? ".fifo" : ""}"
  }

  bucket_name = "${var.name}-artifacts-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"

  event_bus_arn = "arn:${data.aws_partition.current.partition}:events:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:event-bus/${var.events.bus_name}"

  # All functions are one zip, so what the worker runs on they all do.
  architecture = coalesce(var.worker.architecture, var.package.architecture, "arm64")

  # One namespace for every stack; the dimension `service` tells them apart.
  metrics_namespace = "AnalysisJobs"
}
