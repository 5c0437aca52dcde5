output "arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.this.arn
}

output "index_arns" {
  description = "ARNs of the indexes by their names: by-client, by-status, by-subject, due, waiting."
  value       = { for index in local.indexes : index.name => "${aws_dynamodb_table.this.arn}/index/${index.name}" }
}

output "name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.this.name
}

output "stream_arn" {
  description = "ARN of the table's stream; null if the stream is disabled."
  value       = var.stream ? aws_dynamodb_table.this.stream_arn : null
}
