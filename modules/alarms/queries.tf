locals {
  all_logs = sort(values(var.log_groups))

  # What an engineer on call looks for. A test compares each field with the lines that the functions write.
  queries = {
    "a job's lines" = {
      logs  = local.all_logs
      query = <<-EOT
        fields @timestamp, @log, level, event, message, attempt, stage, code
        | filter job_id = "PASTE THE JOB ID"
        | sort @timestamp asc
      EOT
    }
    "cold starts" = {
      logs  = local.all_logs
      query = <<-EOT
        filter type = "platform.report" and ispresent(record.metrics.initDurationMs)
        | stats count(*) as starts, avg(record.metrics.initDurationMs) as average_ms, max(record.metrics.initDurationMs) as longest_ms by @log, bin(1h)
      EOT
    }
    "cost by analysis and tenant" = {
      logs  = [lookup(var.log_groups, "worker", "")]
      query = <<-EOT
        filter event = "attempt.spent"
        | stats sum(cost_usd) as usd, sum(input_tokens) as input, sum(output_tokens) as output, count_distinct(job_id) as jobs by analysis, tenant
        | sort usd desc
      EOT
    }
    "errors by code" = {
      logs  = local.all_logs
      query = <<-EOT
        filter event = "job.error"
        | stats count(*) as jobs, count_distinct(tenant) as tenants by code, analysis, code_version
        | sort jobs desc
      EOT
    }
    "slowest stages" = {
      logs  = [lookup(var.log_groups, "worker", "")]
      query = <<-EOT
        filter event = "stage.done"
        | stats count(*) as runs, avg(seconds) as average_s, pct(seconds, 95) as p95_s, max(seconds) as longest_s by analysis, stage
        | sort p95_s desc
      EOT
    }
    "throttled model calls" = {
      logs  = [lookup(var.log_groups, "worker", "")]
      query = <<-EOT
        filter event = "job.error" and code in ["model_throttled", "model_quota_exceeded", "model_unavailable"]
        | stats count(*) as calls, count_distinct(job_id) as jobs by code, analysis, bin(5m)
      EOT
    }
    "who did what" = {
      logs  = local.all_logs
      query = <<-EOT
        fields @timestamp, event, actor_kind, actor, actor_issuer, actor_client, tenant, job_id, file, status, source_ip, request_id
        | filter event like "audit."
        | sort @timestamp desc
      EOT
    }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = length(var.log_groups) == 0 ? {} : local.queries

  name            = "${var.name}/${each.key}"
  log_group_names = each.value.logs
  query_string    = each.value.query
}
