output "bucket_settings" {
  description = "The settings of the bucket for an existing one, which the module does not change: `lifecycle_rules` by prefix, with the ages in days at which objects (`expire_after_days`) and their old versions (`noncurrent_after_days`) expire, and `cors`, with the methods and origins of web pages."
  value = {
    cors            = local.bucket_cors
    lifecycle_rules = { for prefix, rule in local.bucket_rules : "${local.bucket.prefix}${prefix}" => rule }
  }
}

# Here and not at key_policy_json: the policy of the key, which is an input here, is made from that output.
output "encryption_key_arn" {
  description = "ARN of the KMS key of your own; null without `encryption`."
  value       = one(var.encryption[*].key_arn)

  precondition {
    condition     = var.encryption == null ? true : split(":", var.encryption.key_arn)[3] == data.aws_region.current.id
    error_message = "encryption.key_arn is a key of ${try(split(":", var.encryption.key_arn)[3], "another Region")}, and this stack is in ${data.aws_region.current.id}: use a key of this Region, or a replica of a multi-Region key."
  }

  precondition {
    condition     = try(var.encryption.key_policy_json, null) == null || length(local.services_denied) == 0
    error_message = "encryption.key_policy_json does not allow kms:Decrypt and kms:GenerateDataKey to ${join(" and ", local.services_denied)}: add the statements of the output key_policy_json to the key's policy, for example with source_policy_documents of aws_iam_policy_document."
  }

  precondition {
    condition     = try(var.encryption.key_policy_json, null) == null || anytrue([for grant in local.key_grants : length(grant.accounts) > 0 && contains(["kms:*", "kms:Decrypt", "*"], grant.action)])
    error_message = "encryption.key_policy_json allows no role to use the key: let the account's IAM policies decide, with the principal arn:PARTITION:iam::ACCOUNT:root and the action kms:*."
  }
}

output "key_policy_json" {
  description = "Statements for the policy of your own KMS key: what CloudWatch Logs, alarms, SNS and EventBridge need. It refers to no resource, so the key of the same root can use it, with `source_policy_documents`."
  value       = local.key_policy_json
}
