output "alarm_topic_arn" {
  description = "ARN of the SNS topic of all alarms."
  value       = module.analysis_jobs.alarm_topic_arn
}

output "api_url" {
  description = "Base URL of the API, without a trailing slash."
  value       = module.analysis_jobs.api_url
}

output "bucket_name" {
  description = "Name of the bucket with documents and results."
  value       = module.analysis_jobs.bucket_name
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.analysis_jobs.dashboard_name
}

output "dead_letter_queue_urls" {
  description = "URL of each lane's dead-letter queue."
  value       = module.analysis_jobs.dead_letter_queue_urls
}

output "function_names" {
  description = "Names of the functions: `api`, `worker`, `sweeper`, `events`."
  value       = module.analysis_jobs.function_names
}

output "prompt_table_name" {
  description = "Name of the table that the prompts are in."
  value       = module.analysis_jobs.prompt_table_name
}

output "queue_urls" {
  description = "URL of each lane's queue."
  value       = module.analysis_jobs.queue_urls
}

output "role_names" {
  description = "Names of the functions' roles: `api`, `worker`, `sweeper`, `events`."
  value       = module.analysis_jobs.role_names
}

output "table_name" {
  description = "Name of the job table."
  value       = module.analysis_jobs.table_name
}
