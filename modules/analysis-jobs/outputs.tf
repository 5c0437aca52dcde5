locals {
  dead_letter_queue_urls = { for lane, key in local.queue_key : lane => module.queue[key].dead_letter_url }

  # The functions that exist. Two of them are optional.
  function = merge(
    { sweeper = module.sweeper, worker = module.worker },
    { for function in module.api_function : "api" => function },
    { for function in module.events : "events" => function },
  )

  function_names = { for name, function in local.function : name => function.name }
  role_names     = { for name, function in local.function : name => function.role_name }

  arns = {
    alarm_topic             = one(module.alarms[*].topic_arn)
    api                     = one(module.api[*].arn)
    audit_log               = local.audit_log_arn
    bucket                  = local.bucket.arn
    canary_queue            = one(local.canary_queue_arns)
    dead_letter_queues      = { for lane, key in local.queue_key : lane => module.queue[key].dead_letter_arn }
    event_bus               = var.events.enabled ? local.event_bus_arn : null
    event_dead_letter_queue = one(aws_sqs_queue.event_dead_letter[*].arn)
    function_aliases        = { for name, function in local.function : name => function.alias_arn }
    functions               = { for name, function in local.function : name => function.arn }
    log_groups              = { for name, function in local.function : name => function.log_group_arn }
    notice_topic            = local.notice_topic_arn
    prompt_table            = aws_dynamodb_table.prompts.arn
    queues                  = { for lane, key in local.queue_key : lane => local.every_queue[key].arn }
    roles                   = { for name, function in local.function : name => function.role_arn }
    sweep_rule              = aws_cloudwatch_event_rule.sweep.arn
    table                   = module.job_table.arn
    table_stream            = module.job_table.stream_arn
  }

  queue_name_list = concat(values(local.names.queues), values(local.names.dead_letter_queues), [local.names.event_dead_letter_queue, local.names.canary_queue, "${local.names.canary_queue}-dlq"])

  # The names of what exists.
  used_names = merge(local.names, {
    alarms                  = var.alarms.enabled ? local.names.alarms : null
    bucket                  = var.bucket == null ? local.names.bucket : var.bucket.name
    api                     = var.api == null ? null : local.names.api
    audit_log               = var.audit == null ? null : local.names.audit_log
    canary_queue            = var.canary.enabled ? local.names.canary_queue : null
    dashboard               = var.alarms.enabled ? local.names.dashboard : null
    event_dead_letter_queue = var.events.enabled ? local.names.event_dead_letter_queue : null
    functions               = { for name in keys(local.function) : name => local.names.functions[name] }
    notice_topic            = var.events.sns ? local.names.notice_topic : null
    roles                   = { for name in keys(local.function) : name => local.names.roles[name] }
  })
}

output "alarm_names" {
  description = "Names of the alarms, by the keys of the alarms module; null if alarms are disabled."
  value       = one(module.alarms[*].alarm_names)
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that all alarms go to; null if alarms are disabled, or go to topics of your own."
  value       = one(module.alarms[*].topic_arn)
}

output "api_id" {
  description = "ID of the HTTP API, for a mapping or a route outside this module; null without an API."
  value       = one(module.api[*].id)
}

output "api_url" {
  description = "Base URL of the API, without a trailing slash: that of the custom domain if there is one; null without an API."
  value       = one(module.api[*].url)
}

output "api_urls" {
  description = "Base URL of the API for each kind of caller: `jwt` for tokens of `api.authorizer`, the names of `api.issuers`, and `iam`; null without an API."
  value       = one(module.api[*].urls)
}

output "arns" {
  description = "ARNs of everything that the stack consists of. Those of queues are by lane, those of functions, aliases, roles and log groups by function. What does not exist is null or missing."
  value       = local.arns
}

output "backend_environment" {
  description = "Environment variables for another stack's backend that uses the library in process, all with the prefix `ANALYSIS_JOBS_`. Add them to those of the backend, or pass them to `Backend` in another way."
  value       = local.backend_environment
}

output "bucket_name" {
  description = "Name of the bucket. Uploaded documents are under `uploads/`, the files of jobs under `jobs/`, both below the prefix of an existing bucket."
  value       = local.bucket.name
}

output "canary_queue_url" {
  description = "URL of the queue of canaries; null without `canary.enabled`."
  value       = local.canary_queue_url
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
  description = "All other outputs except the policies in one object, with the same names. A root module can pass it on as its only output; the deploy command and the local cloud read it."
  value = {
    alarm_names                 = one(module.alarms[*].alarm_names)
    alarm_topic_arn             = one(module.alarms[*].topic_arn)
    api_id                      = one(module.api[*].id)
    api_url                     = one(module.api[*].url)
    api_urls                    = one(module.api[*].urls)
    arns                        = local.arns
    backend_environment         = local.backend_environment
    bucket_name                 = local.bucket.name
    canary_queue_url            = local.canary_queue_url
    dashboard_name              = one(module.alarms[*].dashboard_name)
    dead_letter_queue_urls      = local.dead_letter_queue_urls
    domain_target               = one(module.api[*].domain_target)
    event_bus_name              = var.events.enabled ? var.events.bus_name : null
    event_dead_letter_queue_url = one(aws_sqs_queue.event_dead_letter[*].url)
    function_names              = local.function_names
    names                       = local.used_names
    notice_topic_arn            = local.notice_topic_arn
    prompt_table_name           = aws_dynamodb_table.prompts.name
    queue_urls                  = local.queue_urls
    role_names                  = local.role_names
    table_name                  = module.job_table.name
  }
}

output "domain_target" {
  description = "Host name and hosted zone of the API's custom domain, for a DNS record outside this module; null unless this module creates the domain."
  value       = one(module.api[*].domain_target)
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
  description = "Names of the functions by `sweeper` and `worker`, `api` if there is an API, and `events` if events are enabled."
  value       = local.function_names
}

output "invoke_policy_json" {
  description = "IAM policy for a role in this account that calls the API with SigV4; null without `api.iam`."
  value = one([
    for api in module.api : jsonencode({
      Version   = "2012-10-17"
      Statement = [{ Sid = "JobsApi", Effect = "Allow", Action = "execute-api:Invoke", Resource = api.iam_resource }]
    }) if try(var.api.iam, null) != null
  ])
}

output "names" {
  description = "The names of everything that the stack consists of, by the keys of the variable `names`. What does not exist is null or missing."
  value       = local.used_names

  precondition {
    condition     = length(local.names.bucket) <= 63
    error_message = "The name of the bucket, ${local.names.bucket}, has ${length(local.names.bucket)} characters; S3 allows 63: set names.bucket, or shorten name."
  }

  precondition {
    condition     = alltrue([for name in values(local.used_names.roles) : length(name) <= 64])
    error_message = "The names of the roles, ${join(", ", values(local.used_names.roles))}, have up to ${max([for name in values(local.used_names.roles) : length(name)]...)} characters; IAM allows 64: set names.roles, or shorten name."
  }

  precondition {
    condition = alltrue([
      for kind in [values(local.names.functions), values(local.names.roles), [local.names.table, local.names.prompt_table], local.queue_name_list] : length(distinct(kind)) == length(kind)
    ])
    error_message = "Two functions, two roles, two tables or two queues have the same name. Look for it in names: ${jsonencode(local.names)}."
  }
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
  description = "Names of the functions' roles by `sweeper` and `worker`, `api` if there is an API, and `events` if events are enabled. Attach a policy to the worker's role if an analysis needs more rights."
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
  description = "Same as `policies.submit`. Kept for stacks that use this name."
  value       = local.backend_policies[local.every_tenant].submit
}

output "table_name" {
  description = "Name of the job table."
  value       = module.job_table.name
}
