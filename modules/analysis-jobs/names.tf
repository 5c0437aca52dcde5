data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # `medium` always has the plain name. If adding a lane renamed its queue, Terraform would replace it and lose messages.
  queue_names = {
    for lane in keys(var.lanes) : lane => "${var.name}-jobs${lane == "medium" ? "" : "-${lane}"}${var.queue.fifo ? ".fifo" : ""}"
  }

  bucket_name = "${var.name}-artifacts-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"

  event_bus_arn = "arn:${data.aws_partition.current.partition}:events:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:event-bus/${var.events.bus_name}"

  # All functions share one zip, so they all run on the same architecture.
  architecture = coalesce(var.worker.architecture, module.package.architecture, "arm64")

  # All stacks share the namespace. The dimension `service` distinguishes them.
  metrics_namespace = "AnalysisJobs"
}
