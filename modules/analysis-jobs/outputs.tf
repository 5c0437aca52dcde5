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

output "function_names" {
  description = "Names of the functions: `api`, `worker`, `sweeper`."
  value = {
    api     = module.api_function.name
    sweeper = module.sweeper.name
    worker  = module.worker.name
  }
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
  description = "Names of the functions' roles: `api`, `worker`, `sweeper`; to let an analysis do more, attach a policy to the worker's."
  value = {
    api     = module.api_function.role_name
    sweeper = module.sweeper.role_name
    worker  = module.worker.role_name
  }
}

output "submit_policy_json" {
  description = "Policy for another stack's own backend that submits through the library instead of the HTTP API: write the job, its input, and its message."
  value       = local.submit_policy_json
}

output "table_name" {
  description = "Name of the job table."
  value       = module.job_table.name
}
