data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  functions = ["api", "events", "sweeper", "worker"]

  function_name = { for function in local.functions : function => coalesce(var.names.functions[function], "${var.name}-${function}") }

  names = {
    alarms = coalesce(var.names.alarms, var.name)
    api    = coalesce(var.names.api, "${var.name}-api")
    # In the folder in which a deploy role of modules/bootstrap may make log groups.
    audit_log               = coalesce(var.names.audit_log, "/aws/lambda/${var.name}-audit")
    bucket                  = coalesce(var.names.bucket, "${var.name}-artifacts-${local.account}-${local.region}")
    canary_queue            = coalesce(var.names.canary_queue, "${var.name}-canary")
    dashboard               = coalesce(var.names.dashboard, "${var.name}-jobs-${local.region}")
    dead_letter_queues      = { for key, queue in local.queues : key => queue.dead_letter_name }
    event_dead_letter_queue = coalesce(var.names.event_dead_letter_queue, "${var.name}-events-dlq")
    functions               = local.function_name
    notice_topic            = coalesce(var.names.notice_topic, "${var.name}-notices")
    prompt_table            = coalesce(var.names.prompt_table, "${var.name}-prompts")
    queues                  = { for key, queue in local.queues : key => queue.name }
    # Roles are global in an account. The Region allows the same stack in two Regions.
    roles      = { for function in local.functions : function => coalesce(var.names.roles[function], "${var.role.name_prefix}${local.function_name[function]}-${local.region}") }
    sweep_rule = coalesce(var.names.sweep_rule, "${var.name}-sweep")
    table      = coalesce(var.names.table, "${var.name}-jobs")
  }

  # A queue has the key of its lane, and ".fifo" if it is a FIFO queue: the two are different queues, and while the old one
  # is retired both exist.
  queue_key = { for lane in keys(var.lanes) : lane => "${lane}${var.queue.fifo ? ".fifo" : ""}" }

  queues = {
    for key in concat(values(local.queue_key), var.queue.retired) : key => {
      fifo             = endswith(key, ".fifo")
      lane             = trimsuffix(key, ".fifo")
      name             = "${local.queue_base_name[trimsuffix(key, ".fifo")]}${endswith(key, ".fifo") ? ".fifo" : ""}"
      dead_letter_base = try(var.names.dead_letter_queues[trimsuffix(key, ".fifo")], "${local.queue_base_name[trimsuffix(key, ".fifo")]}-dlq")
      dead_letter_name = "${try(var.names.dead_letter_queues[trimsuffix(key, ".fifo")], "${local.queue_base_name[trimsuffix(key, ".fifo")]}-dlq")}${endswith(key, ".fifo") ? ".fifo" : ""}"
    }
  }

  # `medium` always has the plain name. If adding a lane renamed its queue, Terraform would replace it and lose messages.
  queue_base_name = {
    for lane in ["high", "low", "medium"] : lane => try(var.names.queues[lane], "${var.name}-jobs${lane == "medium" ? "" : "-${lane}"}")
  }

  event_bus_arn    = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/${var.events.bus_name}"
  prompt_table_arn = "arn:${local.partition}:dynamodb:${local.region}:${local.account}:table/${local.names.prompt_table}"

  # All functions share one zip, so they all run on the same architecture.
  architecture = coalesce(var.worker.architecture, module.package.architecture, "arm64")

  # All stacks share the namespace. The dimension `service` distinguishes them.
  metrics_namespace = "AnalysisJobs"
}
