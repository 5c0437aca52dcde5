module "queue" {
  source   = "../queue"
  for_each = var.lanes

  name                    = local.queue_names[each.key]
  fifo                    = var.queue.fifo
  kms_key_id              = one(var.encryption[*].key_arn)
  function_timeout_s      = var.worker.timeout_s
  visibility_timeout_s    = var.queue.visibility_timeout_s
  retention_s             = var.queue.retention_s
  dead_letter_retention_s = var.queue.dead_letter_retention_s
  max_receive_count       = var.queue.max_receive_count
  tags                    = var.tags
}

locals {
  # With constant keys the functions wait for the queues only. A reference to `module.queue[lane]` also waits for their
  # policies, which take half a minute.
  every_queue = {
    high   = { arn = try(module.queue["high"].arn, null), url = try(module.queue["high"].url, null) }
    low    = { arn = try(module.queue["low"].arn, null), url = try(module.queue["low"].url, null) }
    medium = { arn = try(module.queue["medium"].arn, null), url = try(module.queue["medium"].url, null) }
  }
  queue_arns = [for lane in sort(keys(var.lanes)) : local.every_queue[lane].arn]
  queue_urls = { for lane in keys(var.lanes) : lane => local.every_queue[lane].url }
}
