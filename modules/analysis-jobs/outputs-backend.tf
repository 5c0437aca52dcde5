output "policies" {
  description = "IAM policies (JSON) by need, for the role of another stack's backend that uses the library instead of the HTTP API: `submit` (includes uploads), `upload`, `read` (status, lists, results and files), `cancel`, `retry`. And for operators: `erase` and `export`, for the commands with these names. They allow this for every tenant; see `tenant_policies`."
  value       = local.backend_policies[local.every_tenant]
}

output "tenant_policies" {
  description = "The same policies as `policies` for each tenant of `backend.tenants`. They reach only the rows, uploads and files of that tenant: `tenant_policies[\"acme\"].read`."
  value       = { for tenant in var.backend.tenants : tenant => local.backend_policies[tenant] }
}
