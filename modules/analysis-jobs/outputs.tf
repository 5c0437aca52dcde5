locals {
  dead_letter_queue_urls = { for lane, queue in module.queue : lane => queue.dead_letter_url }

  function_names = merge(
    {
      api     = module.api_function.name
      sweeper = module.sweeper.name
      worker  = module.worker.name
    },
    { for function in module.events : "events" => function.name },
  )

  role_names = merge(
    {
      api     = module.api_function.role_name
      sweeper = module.sweeper.role_name
      worker  = module.worker.role_name
    },
    { for function in module.events : "events" => function.role_name },
  )
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that all alarms go to; null if alarms are disabled, or go to topics of your own."
  value       = one(module.alarms[*].topic_arn)
}

output "api_url" {
  description = "Base URL of the API, without a trailing slash."
  value       = module.api.url
}

output "bucket_name" {
  description = "Name of the bucket. Uploaded documents are under `uploads/`, the files of jobs under `jobs/`, both below the prefix of an existing bucket."
  value       = local.bucket.name
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard; null if alarms are disabled."
  value       = one(module.alarms[*].dashboard_name)
}

output "dead_letter_queue_urls" {
  description = "URL of the dead-letter queue of each lane."
  value       = local.dead_letter_queue_urls
}

# For a root's single output. A resource that needs one value should use that value's own output: it then waits for less.
output "deployment" {
  description = "All other outputs except `submit_policy_json` in one object, with the same names. A root module can pass it on as its only output; the deploy command and the local cloud read it."
  value = {
    alarm_topic_arn             = one(module.alarms[*].topic_arn)
    api_url                     = module.api.url
    bucket_name                 = local.bucket.name
    dashboard_name              = one(module.alarms[*].dashboard_name)
    dead_letter_queue_urls      = local.dead_letter_queue_urls
    event_bus_name              = var.events.enabled ? var.events.bus_name : null
    event_dead_letter_queue_url = one(aws_sqs_queue.event_dead_letter[*].url)
    function_names              = local.function_names
    notice_topic_arn            = local.notice_topic_arn
    prompt_table_name           = aws_dynamodb_table.prompts.name
    queue_urls                  = local.queue_urls
    role_names                  = local.role_names
    table_name                  = module.job_table.name
  }
}

output "event_bus_name" {
  description = "Name of the EventBridge bus that receives an event for every transition of a job, with the source `analysis-jobs`; null if events are disabled."
  value       = var.events.enabled ? var.events.bus_name : null
}

output "event_dead_letter_queue_url" {
  description = "URL of the queue that records the events which could not be published; null if events are disabled."
  value       = one(aws_sqs_queue.event_dead_letter[*].url)
}

output "function_names" {
  description = "Names of the functions by `api`, `worker`, `sweeper`, and `events` if events are enabled."
  value       = local.function_names
}

output "notice_topic_arn" {
  description = "ARN of the SNS topic that receives a message when a job ends; null unless `events.sns` is true or `events.topic` is given."
  value       = local.notice_topic_arn
}

output "prompt_table_name" {
  description = "Name of the table that prompts are read from."
  value       = aws_dynamodb_table.prompts.name
}

output "queue_urls" {
  description = "URL of the queue of each lane."
  value       = local.queue_urls
}

output "role_names" {
  description = "Names of the functions' roles by `api`, `worker`, `sweeper`, and `events` if events are enabled. Attach a policy to the worker's role if an analysis needs more rights."
  value       = local.role_names

  # In the plan, where IAM would refuse the policy only in the middle of an apply. Model IDs and secrets are the part that grows.
  precondition {
    condition     = local.worker_policy_characters <= local.max_inline_policy_characters
    error_message = "The worker's inline policies would have up to ${local.worker_policy_characters} characters; IAM allows ${local.max_inline_policy_characters} for a role. Name fewer models in bedrock_model_ids, or combine them with wildcards (\"anthropic.claude-*\"), or put secrets together into one."
  }

  precondition {
    condition     = var.model_access.regions == null ? true : contains(var.model_access.regions, data.aws_region.current.id)
    error_message = "model_access.regions must have ${data.aws_region.current.id}, the Region of this stack: the worker calls Bedrock there, and a profile needs the model in the called Region too."
  }
}

output "submit_policy_json" {
  description = "IAM policy for the role of another stack's backend that submits jobs with the library instead of the HTTP API. It allows writing the job, its input and its message."
  value       = local.submit_policy_json
}

output "table_name" {
  description = "Name of the job table."
  value       = module.job_table.name
}
