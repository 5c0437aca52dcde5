module "alarms" {
  source = "../alarms"
  count  = var.alarms.enabled ? 1 : 0

  name               = var.name
  api_id             = module.api.id
  dead_letter_queues = { for lane in keys(var.lanes) : lane => module.queue[lane].dead_letter_name }
  queues             = { for lane in keys(var.lanes) : lane => module.queue[lane].name }
  service            = { name = var.name, namespace = local.metrics_namespace }
  worker             = { function_name = module.worker.name, timeout_s = var.worker.timeout_s }
  events             = var.events.enabled ? { dead_letter_queue = aws_sqs_queue.event_dead_letter[0].name, function_name = module.events[0].name } : null
  email              = var.alarms.email
  encryption         = var.encryption == null ? null : { key_arn = var.encryption.key_arn }
  topics             = var.alarms.topics
  thresholds         = var.alarms.thresholds
  tags               = var.tags
}
