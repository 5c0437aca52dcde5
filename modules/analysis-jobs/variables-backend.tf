variable "backend" {
  description = <<-EOT
    The backends of other stacks that use the library in process. `tenants` are the tenants for which `tenant_policies`
    has policies that reach nothing of other tenants. It may contain a tag of the caller's session, written as
    "$${aws:PrincipalTag/tenant}": such a policy serves a role that is assumed anew for each tenant.
  EOT
  type = object({
    tenants = optional(set(string), [])
  })
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for tenant in var.backend.tenants : can(regex("^([A-Za-z0-9][A-Za-z0-9_.@:+-]{0,127}|\\$\\{aws:PrincipalTag/[A-Za-z0-9_.:=+@-]{1,128}\\})$", tenant))])
    error_message = "backend.tenants must have names of tenants, of up to 128 letters, digits and _.@:+- that begin with a letter or a digit, or a tag of the session such as \"$${aws:PrincipalTag/tenant}\". Every other character could widen the policy to other tenants."
  }
}
