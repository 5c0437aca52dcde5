output "alarm_names" {
  description = "Names of the alarms by what they watch, for example `worker-errors`. The keys of queue alarms end in the lane: `dead-letters-medium`."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name }
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "severities" {
  description = "Severity of each alarm, \"critical\" or \"warning\", by the keys of `alarm_names`."
  value       = local.severities
}

output "topic_arn" {
  description = "ARN of the SNS topic that all alarms go to; null with `topics` of your own. Subscribe your pager or chat to it."
  value       = one(aws_sns_topic.alarms[*].arn)
}
