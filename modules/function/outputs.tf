output "alias_arn" {
  description = "ARN of the alias, which event sources and callers use."
  value       = aws_lambda_alias.live.arn
}

output "alias_invoke_arn" {
  description = "Invoke ARN of the alias, for API Gateway."
  value       = aws_lambda_alias.live.invoke_arn
}

output "alias_name" {
  description = "Name of the alias: \"live\"."
  value       = aws_lambda_alias.live.name
}

output "arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "candidate_arn" {
  description = "ARN of the alias \"candidate\", which points at the newest version."
  value       = aws_lambda_alias.candidate.arn
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = aws_cloudwatch_log_group.this.arn
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "version" {
  description = "The newest version. The alias \"live\" points at it unless `live_version` names another one."
  value       = aws_lambda_function.this.version
}
