locals {
  # The queues of the lanes by lane, and the retired ones.
  alarm_keys = merge(
    { for lane, key in local.queue_key : key => lane },
    { for key in var.queue.retired : key => "retired-${replace(key, ".", "-")}" },
  )

  # The library's default, unless the worker gets the variable.
  stop_margin_s = try(tonumber(merge(var.environment, var.worker.environment)["STOP_MARGIN_S"]), 15)

  # The functions of this stack.
  running = concat(["sweeper", "worker"], var.api == null ? [] : ["api"], var.events.enabled ? ["events"] : [])
}

module "alarms" {
  source = "../alarms"
  count  = var.alarms.enabled ? 1 : 0

  name               = local.names.alarms
  dashboard_name     = local.names.dashboard
  api                = one([for api in module.api : { access_log = api.access_log_group_name, id = api.id }])
  dead_letter_queues = { for key, name in local.alarm_keys : name => module.queue[key].dead_letter_name }
  queues             = { for key, name in local.alarm_keys : name => module.queue[key].name }
  service            = { name = var.name, namespace = local.metrics_namespace }
  worker             = { function_name = module.worker.name, stop_margin_s = local.stop_margin_s, timeout_s = var.worker.timeout_s }
  events             = var.events.enabled ? { dead_letter_queue = aws_sqs_queue.event_dead_letter[0].name, function_name = module.events[0].name } : null
  email              = var.alarms.email
  encryption         = var.encryption == null ? null : { key_arn = var.encryption.key_arn }
  topics             = var.alarms.topics
  log_groups         = var.logs.saved_queries ? merge({ for function, name in local.names.functions : function => "/aws/lambda/${name}" if contains(local.running, function) }, var.audit == null ? {} : { audit = local.names.audit_log }) : {}
  tags               = var.tags

  thresholds = merge(var.alarms.thresholds, {
    # A worker with a secret may have a database. Without one the alarm would watch nothing.
    database_logins_refused = var.alarms.thresholds.database_logins_refused != null ? var.alarms.thresholds.database_logins_refused : length(var.worker.secrets) > 0 ? 0 : null
  })
}
