output "stacks" {
  description = "Names and URLs of each deployed example, by its name: the module's output `deployment`."
  value = merge(
    { for stack in module.book_valuation : "book-valuation" => stack.deployment },
    { for stack in module.credential_extraction : "credential-extraction" => stack.deployment },
    { for stack in module.drawing_schedule : "drawing-schedule" => stack.deployment },
    { for stack in module.existing_api : "existing-api" => merge(stack.deployment, { backend_url = stack.backend_url }) },
    { for stack in module.minimal : "minimal" => stack.deployment },
    { for stack in module.profile_interpretation : "profile-interpretation" => stack.deployment },
    { for stack in module.rfp_analysis : "rfp-analysis" => stack.deployment },
  )
}
