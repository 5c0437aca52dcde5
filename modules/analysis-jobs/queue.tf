module "queue" {
  source   = "../queue"
  for_each = local.queues

  name                    = each.value.name
  dead_letter_name        = each.value.dead_letter_base
  fifo                    = each.value.fifo
  kms_key_id              = one(var.encryption[*].key_arn)
  function_timeout_s      = var.worker.timeout_s
  visibility_timeout_s    = var.queue.visibility_timeout_s
  retention_s             = var.queue.retention_s
  dead_letter_retention_s = var.queue.dead_letter_retention_s
  max_receive_count       = var.queue.max_receive_count
  tags                    = var.tags
}

locals {
  # With constant keys the functions wait for the queues only. A reference to `module.queue[key]` also waits for their
  # policies, which take half a minute.
  every_queue = {
    high          = { arn = try(module.queue["high"].arn, null), url = try(module.queue["high"].url, null) }
    "high.fifo"   = { arn = try(module.queue["high.fifo"].arn, null), url = try(module.queue["high.fifo"].url, null) }
    low           = { arn = try(module.queue["low"].arn, null), url = try(module.queue["low"].url, null) }
    "low.fifo"    = { arn = try(module.queue["low.fifo"].arn, null), url = try(module.queue["low.fifo"].url, null) }
    medium        = { arn = try(module.queue["medium"].arn, null), url = try(module.queue["medium"].url, null) }
    "medium.fifo" = { arn = try(module.queue["medium.fifo"].arn, null), url = try(module.queue["medium.fifo"].url, null) }
  }
  queue_arns         = [for lane in sort(keys(var.lanes)) : local.every_queue[local.queue_key[lane]].arn]
  retired_queue_arns = [for key in sort(var.queue.retired) : local.every_queue[key].arn]
  queue_urls         = { for lane, key in local.queue_key : lane => local.every_queue[key].url }
}

# SQS has no deletion protection. Terraform destroys this resource before the queue and its mapping, and the command fails
# unless the queue is retired, or the stack is not protected. Removing or renaming a lane, and changing `fifo`, are such
# changes. The message is printed as part of the error.
resource "terraform_data" "queue_guard" {
  for_each = local.queues

  input = {
    command = !var.deletion_protection || contains(var.queue.retired, each.key) ? "exit 0" : join(" ", [
      "echo The queue ${each.value.name} is protected, because it may hold messages. Nothing of it was deleted.",
      "Put the key ${each.key} into queue.retired and apply. When the queue is empty, remove the key and apply again. &&",
      "exit 1",
    ])
  }

  triggers_replace = [module.queue[each.key].url, module.queue[each.key].dead_letter_url]

  provisioner "local-exec" {
    when    = destroy
    command = self.input.command
  }

  depends_on = [aws_lambda_event_source_mapping.lane]
}
