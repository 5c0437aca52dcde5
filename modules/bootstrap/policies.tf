locals {
  policies = {
    deploy-access   = { text = jsonencode({ Version = "2012-10-17", Statement = local.statements["deploy-access"] }), role = ["deploy"] }
    deploy-boundary = { text = jsonencode({ Version = "2012-10-17", Statement = local.deploy_boundary }), role = [] }
    deploy-compute  = { text = jsonencode({ Version = "2012-10-17", Statement = local.statements["deploy-compute"] }), role = ["deploy"] }
    deploy-data     = { text = jsonencode({ Version = "2012-10-17", Statement = local.statements["deploy-data"] }), role = ["deploy"] }
    functions       = { text = jsonencode({ Version = "2012-10-17", Statement = local.function_boundary }), role = [] }
    read            = { text = jsonencode({ Version = "2012-10-17", Statement = local.statements["read"] }), role = ["deploy", "plan"] }
  }

  # Statements that are empty, because the stack uses no such thing, are left out.
  statements = { for policy, statements in {
    deploy-access  = local.deploy_access
    deploy-compute = local.deploy_compute
    deploy-data    = local.deploy_data
    read           = local.read
    } : policy => [for sid in sort(keys(statements)) : merge(
      { Sid = sid, Effect = "Allow", Action = statements[sid].actions, Resource = statements[sid].resources },
      try({ Condition = statements[sid].condition }, {}),
    ) if length(statements[sid].resources) > 0]
  }

  descriptions = {
    deploy-access   = "Roles and keys of the stack ${var.name}, and its state."
    deploy-boundary = "The most that the plan and the deploy role of ${var.name} may do, whatever is attached to them."
    deploy-compute  = "Functions, API, alarms and logs of the stack ${var.name}."
    deploy-data     = "Queues, tables, buckets and topics of the stack ${var.name}."
    functions       = "The most that a function of the stack ${var.name} may do."
    read            = "Reads the stack ${var.name} and its state."
  }

  attachments = merge([for name, policy in local.policies : { for role in policy.role : "${role}/${name}" => { policy = name, role = role } }]...)
}

resource "aws_iam_policy" "this" {
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  path        = local.path
  description = local.descriptions[each.key]
  policy      = each.value.text
  tags        = var.tags

  lifecycle {
    precondition {
      # IAM does not count blanks, and there are none.
      condition     = length(each.value.text) <= 6144
      error_message = "The policy ${var.name}-${each.key} has ${length(each.value.text)} characters; IAM allows 6144: use fewer or shorter name_prefixes, or list less in extra."
    }
  }
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.attachments

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = aws_iam_policy.this[each.value.policy].arn
}
