output "arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.this.arn
}

output "dead_letter_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_letter_name" {
  description = "Name of the dead-letter queue, which is the dimension of its metrics."
  value       = aws_sqs_queue.dead_letter.name
}

output "dead_letter_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "name" {
  description = "Name of the queue, which is the dimension of its metrics."
  value       = aws_sqs_queue.this.name
}

output "url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.this.url
}

output "visibility_timeout_s" {
  description = "Visibility timeout of the queue, in seconds."
  value       = aws_sqs_queue.this.visibility_timeout_seconds
}
