locals {
  # The queues of the lanes by lane, and the retired ones.
  alarm_keys = merge(
    { for lane, key in local.queue_key : key => lane },
    { for key in var.queue.retired : key => "retired-${replace(key, ".", "-")}" },
  )
}

module "alarms" {
  source = "../alarms"
  count  = var.alarms.enabled ? 1 : 0

  name               = local.names.alarms
  dashboard_name     = local.names.dashboard
  api                = one([for api in module.api : { id = api.id }])
  dead_letter_queues = { for key, name in local.alarm_keys : name => module.queue[key].dead_letter_name }
  queues             = { for key, name in local.alarm_keys : name => module.queue[key].name }
  service            = { name = var.name, namespace = local.metrics_namespace }
  worker             = { function_name = module.worker.name, timeout_s = var.worker.timeout_s }
  events             = var.events.enabled ? { dead_letter_queue = aws_sqs_queue.event_dead_letter[0].name, function_name = module.events[0].name } : null
  email              = var.alarms.email
  encryption         = var.encryption == null ? null : { key_arn = var.encryption.key_arn }
  topics             = var.alarms.topics
  thresholds         = var.alarms.thresholds
  tags               = var.tags
}
