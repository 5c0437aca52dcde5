output "alarm_topic_arn" {
  description = "ARN of the SNS topic of all alarms; null when they are not enabled."
  value       = one(module.alarms[*].topic_arn)
}

output "api_url" {
  description = "Base URL of the API, without a trailing slash."
  value       = module.api.url
}

output "bucket_name" {
  description = "Name of the bucket: `uploads/` for documents, `jobs/` for the jobs' files."
  value       = module.artifact_bucket.name
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard; null when alarms are not enabled."
  value       = one(module.alarms[*].dashboard_name)
}

output "dead_letter_queue_urls" {
  description = "URL of each lane's dead-letter queue."
  value       = { for lane, queue in module.queue : lane => queue.dead_letter_url }
}

output "event_bus_name" {
  description = "Name of the EventBridge bus that tells of every transition, with the source `analysis-jobs`; null without events."
  value       = var.events.enabled ? var.events.bus_name : null
}

output "event_dead_letter_queue_url" {
  description = "URL of the queue with notes of events that were given up; null without events."
  value       = one(aws_sqs_queue.event_dead_letter[*].url)
}

output "function_names" {
  description = "Names of the functions: `api`, `worker`, `sweeper`, and `events` unless there are none."
  value = merge(
    {
      api     = module.api_function.name
      sweeper = module.sweeper.name
      worker  = module.worker.name
    },
    { for function in module.events : "events" => function.name },
  )
}

output "notice_topic_arn" {
  description = "ARN of the SNS topic that tells of ended jobs; null unless `events.sns` is set."
  value       = one(aws_sns_topic.notices[*].arn)
}

output "prompt_table_name" {
  description = "Name of the table that prompts are looked up in."
  value       = aws_dynamodb_table.prompts.name
}

output "queue_urls" {
  description = "URL of each lane's queue."
  value       = local.queue_urls
}

output "role_names" {
  description = "Names of the functions' roles: `api`, `worker`, `sweeper`, and `events` unless there are none; to let an analysis do more, attach a policy to the worker's."
  value = merge(
    {
      api     = module.api_function.role_name
      sweeper = module.sweeper.role_name
      worker  = module.worker.role_name
    },
    { for function in module.events : "events" => function.role_name },
  )
}

output "submit_policy_json" {
  description = "Policy for another stack's own backend that submits through the library instead of the HTTP API: write the job, its input, and its message."
  value       = local.submit_policy_json
}

output "table_name" {
  description = "Name of the job table."
  value       = module.job_table.name
}
