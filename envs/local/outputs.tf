output "stacks" {
  description = "Of each example that is here, its own outputs by name: `api_url`, `bucket_name`, `function_names`, …"
  value = merge(
    { for stack in module.book_valuation : "book-valuation" => stack },
    { for stack in module.credential_extraction : "credential-extraction" => stack },
    { for stack in module.drawing_schedule : "drawing-schedule" => stack },
    { for stack in module.profile_interpretation : "profile-interpretation" => stack },
    { for stack in module.rfp_analysis : "rfp-analysis" => stack },
  )
}
