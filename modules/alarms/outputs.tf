output "alarm_names" {
  description = "Names of the alarms by what they watch, e.g. `worker-errors`; those of queues end in their lane: `dead-letters-medium`."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name }
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "topic_arn" {
  description = "ARN of the SNS topic of all alarms; subscribe your own pager or chat here."
  value       = aws_sns_topic.alarms.arn
}
