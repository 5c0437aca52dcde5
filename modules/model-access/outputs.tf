output "policy_json" {
  description = "The statements as a policy document, for a role that another module creates."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in local.statements : merge(
      {
        Sid      = replace(title(replace(name, "_", " ")), " ", "")
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
      },
      length(statement.conditions) == 0 ? {} : {
        Condition = { for condition in statement.conditions : condition.test => { (condition.variable) = condition.values } }
      },
    )]
  })
}

output "statements" {
  description = "The statements by their names, as the function module takes them."
  value       = local.statements
}
