output "alarm_topic_arn" {
  description = "ARN of the SNS topic of all alarms."
  value       = module.rfp_analysis.alarm_topic_arn
}

output "api_url" {
  description = "Base URL of the API, without a trailing slash."
  value       = module.rfp_analysis.api_url
}

output "bucket_name" {
  description = "Name of the bucket with documents and results."
  value       = module.rfp_analysis.bucket_name
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.rfp_analysis.dashboard_name
}

output "dead_letter_queue_urls" {
  description = "URL of each lane's dead-letter queue."
  value       = module.rfp_analysis.dead_letter_queue_urls
}

output "function_names" {
  description = "Names of the functions: `api`, `worker`, `sweeper`, `events`."
  value       = module.rfp_analysis.function_names
}

output "prompt_table_name" {
  description = "Name of the table that the prompts are in."
  value       = module.rfp_analysis.prompt_table_name
}

output "queue_urls" {
  description = "URL of each lane's queue."
  value       = module.rfp_analysis.queue_urls
}

output "role_names" {
  description = "Names of the functions' roles: `api`, `worker`, `sweeper`, `events`."
  value       = module.rfp_analysis.role_names
}

output "table_name" {
  description = "Name of the job table."
  value       = module.rfp_analysis.table_name
}
