output "arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.this.arn
}

output "index_arns" {
  description = "ARN of each index by its name: by-client, by-status, by-subject, due, waiting."
  value       = { for index in local.indexes : index.name => "${aws_dynamodb_table.this.arn}/index/${index.name}" }
}

output "name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.this.name
}

output "stream_arn" {
  description = "ARN of the table's stream; null without one."
  value       = var.stream ? aws_dynamodb_table.this.stream_arn : null
}
