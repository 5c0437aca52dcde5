mock_provider "aws" {}

variables {
  name              = "orders"
  analyses          = ["rfp_analysis"]
  bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"]
  model_id          = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
  package           = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  api               = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
}

run "refuses_a_package_without_analyses" {
  command = plan
  variables {
    analyses = []
  }
  expect_failures = [var.analyses]
}

run "refuses_a_file_name_for_an_import_path" {
  command = plan
  variables {
    analyses = ["rfp_analysis.py", "rfp-analysis"]
  }
  expect_failures = [var.analyses]
}

run "refuses_an_api_timeout_beyond_what_the_gateway_waits" {
  command = plan
  variables {
    api = { timeout_s = 31, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.api]
}

run "refuses_api_memory_that_lambda_does_not_give" {
  command = plan
  variables {
    api = { memory_mb = 64, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.api]
}

run "refuses_an_api_that_may_not_run" {
  command = plan
  variables {
    api = { reserved_concurrency = 0, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.api]
}

run "refuses_as_many_waiting_requests_as_executions" {
  command = plan
  variables {
    api = { max_waiting = 50, reserved_concurrency = 50, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.api]
}

run "refuses_half_a_waiting_request" {
  command = plan
  variables {
    api = { max_waiting_per_tenant = 0.5, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.api]
}

run "refuses_an_empty_tenant_claim" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"], tenant_claim = "" } }
  }
  expect_failures = [var.api]
}

run "refuses_an_application_profile_without_its_model" {
  command = plan
  variables {
    model_id                           = null
    bedrock_model_ids                  = []
    application_inference_profile_arns = ["arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123"]
  }
  expect_failures = [var.application_inference_profile_arns]
}

run "refuses_an_environment_that_overwrites_the_modules_own" {
  command = plan
  variables {
    environment = { TABLE_NAME = "another" }
  }
  expect_failures = [var.environment]
}

run "refuses_a_stack_without_lanes" {
  command = plan
  variables {
    lanes = {}
  }
  expect_failures = [var.lanes]
}

run "refuses_a_lane_that_is_no_priority" {
  command = plan
  variables {
    lanes = { urgent = {} }
  }
  expect_failures = [var.lanes]
}

run "refuses_a_maximum_concurrency_of_one" {
  command = plan
  variables {
    lanes = { medium = { maximum_concurrency = 1 } }
  }
  expect_failures = [var.lanes]
}

run "refuses_a_maximum_concurrency_over_a_thousand" {
  command = plan
  variables {
    lanes = { medium = { maximum_concurrency = 1001 } }
  }
  expect_failures = [var.lanes]
}

run "refuses_a_lease_that_one_lost_heartbeat_costs" {
  command = plan
  variables {
    lease = { lease_s = 30, heartbeat_s = 15 }
  }
  expect_failures = [var.lease]
}

run "refuses_a_heartbeat_of_less_than_a_second" {
  command = plan
  variables {
    lease = { heartbeat_s = 0.5 }
  }
  expect_failures = [var.lease]
}

run "refuses_a_lease_that_outlives_its_worker" {
  command = plan
  variables {
    lease = { lease_s = 901 }
  }
  expect_failures = [var.lease]
}

run "refuses_a_default_model_that_the_worker_may_not_call" {
  command = plan
  variables {
    model_id = "eu.anthropic.claude-opus-4-5-20251101-v1:0"
  }
  expect_failures = [var.model_id]
}

run "refuses_a_default_model_of_another_vendor_with_the_same_ending" {
  command = plan
  variables {
    model_id = "eu.other.anthropic.claude-sonnet-4-5-20250929-v1:0"
  }
  expect_failures = [var.model_id]
}

run "refuses_capitals_in_the_name" {
  command = plan
  variables {
    name = "Orders"
  }
  expect_failures = [var.name]
}

run "refuses_a_name_too_long_for_any_resource" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.name]
}

run "refuses_the_arn_of_a_bus" {
  command = plan
  variables {
    events = { bus_name = "arn:aws:events:eu-west-1:111122223333:event-bus/orders" }
  }
  expect_failures = [var.events]
}

run "refuses_notices_without_events" {
  command = plan
  variables {
    events = { enabled = false, sns = true }
  }
  expect_failures = [var.events]
}

run "refuses_messages_that_come_back_while_their_job_runs" {
  command = plan
  variables {
    queue = { visibility_timeout_s = 899 }
  }
  expect_failures = [var.queue]
}

run "refuses_a_job_row_that_ends_before_its_message" {
  command = plan
  variables {
    queue     = { retention_s = 86400 }
    retention = { jobs_days = 1, uploads_days = 30 }
  }
  expect_failures = [var.retention]
}

run "refuses_files_that_end_before_their_job_row" {
  command = plan
  variables {
    retention = { jobs_days = 30, artifacts_days = 29 }
  }
  expect_failures = [var.retention]
}

run "refuses_uploads_that_end_while_their_job_waits" {
  command = plan
  variables {
    retention = { uploads_days = 4 }
  }
  expect_failures = [var.retention]
}

run "refuses_a_worker_timeout_beyond_lambdas_limit" {
  command = plan
  variables {
    worker = { timeout_s = 901 }
    queue  = { visibility_timeout_s = 2000 }
  }
  expect_failures = [var.worker]
}

run "refuses_worker_memory_that_lambda_does_not_give" {
  command = plan
  variables {
    worker = { memory_mb = 10241 }
  }
  expect_failures = [var.worker]
}

run "refuses_more_jobs_at_once_than_were_measured" {
  command = plan
  variables {
    worker = { jobs_per_invocation = 21 }
  }
  expect_failures = [var.worker]
}

run "refuses_to_collect_messages_for_longer_than_lambda_does" {
  command = plan
  variables {
    worker = { batching_window_s = 301 }
  }
  expect_failures = [var.worker]
}

run "refuses_to_collect_messages_of_a_fifo_queue" {
  command = plan
  variables {
    queue  = { fifo = true }
    worker = { batching_window_s = 1 }
  }
  expect_failures = [var.queue]
}

run "refuses_reserved_concurrency_below_the_lanes_together" {
  command = plan
  variables {
    lanes  = { high = { maximum_concurrency = 6 }, low = { maximum_concurrency = 5 } }
    worker = { reserved_concurrency = 10 }
  }
  expect_failures = [var.worker]
}

run "refuses_reserved_concurrency_that_leaves_none_for_canaries" {
  command = plan
  variables {
    lanes  = { high = { maximum_concurrency = 6 }, low = { maximum_concurrency = 4 } }
    worker = { reserved_concurrency = 11 }
  }
  expect_failures = [var.worker]
}

run "admits_reserved_concurrency_of_the_lanes_without_canaries" {
  command = plan
  variables {
    canary = { enabled = false }
    lanes  = { high = { maximum_concurrency = 6 }, low = { maximum_concurrency = 4 } }
    worker = { reserved_concurrency = 10 }
  }
}

run "refuses_reserved_concurrency_that_leaves_none_for_a_retired_queue" {
  command = plan
  variables {
    canary = { enabled = false }
    lanes  = { high = { maximum_concurrency = 6 }, low = { maximum_concurrency = 4 } }
    queue  = { retired = ["medium"] }
    worker = { reserved_concurrency = 11 }
  }
  expect_failures = [var.queue]
}

run "refuses_one_canary_at_a_time" {
  command = plan
  variables {
    canary = { maximum_concurrency = 1 }
  }
  expect_failures = [var.canary]
}

run "refuses_reserved_concurrency_beside_a_lane_without_a_maximum" {
  command = plan
  variables {
    lanes  = { high = { maximum_concurrency = 6 }, low = {} }
    worker = { reserved_concurrency = 10 }
  }
  expect_failures = [var.worker]
}

run "refuses_a_fifo_queue_that_gives_up_on_waiting_jobs" {
  command = plan
  variables {
    queue = { fifo = true, max_receive_count = 9 }
  }
  expect_failures = [var.queue]
}

run "admits_the_least_receives_of_a_fifo_queue" {
  command = plan
  variables {
    queue = { fifo = true, max_receive_count = 10 }
  }
}

run "refuses_several_jobs_an_invocation_of_a_fifo_queue" {
  command = plan
  variables {
    queue  = { fifo = true }
    worker = { jobs_per_invocation = 2 }
  }
  expect_failures = [var.queue]
}

run "refuses_a_secret_under_a_name_of_the_module" {
  command = plan
  variables {
    worker = { secrets = { TABLE_NAME = "arn:aws:ssm:eu-west-1:111122223333:parameter/key" } }
  }
  expect_failures = [var.worker]
}

run "refuses_a_secret_itself" {
  command = plan
  variables {
    worker = { secrets = { API_KEY = "sk-abc" } }
  }
  expect_failures = [var.worker]
}

run "refuses_an_alias_of_a_key_of_secrets" {
  command = plan
  variables {
    worker = { secret_key_arns = ["arn:aws:kms:eu-west-1:111122223333:alias/secrets"] }
  }
  expect_failures = [var.worker]
}

run "refuses_an_unknown_service_tier_of_a_lane" {
  command = plan
  variables {
    lanes = { low = { tier = "cheap" } }
  }
  expect_failures = [var.lanes]
}

run "refuses_a_price_factor_of_an_unknown_tier" {
  command = plan
  variables {
    model_prices = { "amazon.nova-pro" = { input = 0.8, output = 3.2, tiers = { standard = 1 } } }
  }
  expect_failures = [var.model_prices]
}

run "refuses_a_negative_price" {
  command = plan
  variables {
    model_prices = { "gemini-2.5-flash" = { input = -0.3, output = 2.5 } }
  }
  expect_failures = [var.model_prices]
}

run "refuses_documents_without_a_page" {
  command = plan
  variables {
    documents = { max_pages = 0 }
  }
  expect_failures = [var.documents]
}

run "refuses_half_a_pixel" {
  command = plan
  variables {
    documents = { max_pixels = 0.5 }
  }
  expect_failures = [var.documents]
}

run "refuses_an_engine_that_reads_no_pictures_here" {
  command = plan
  variables {
    documents = { ocr = "abbyy" }
  }
  expect_failures = [var.documents]
}

run "refuses_a_language_by_its_name" {
  command = plan
  variables {
    documents = { ocr_languages = ["eng", "German"] }
  }
  expect_failures = [var.documents]
}

run "refuses_ocr_without_a_language" {
  command = plan
  variables {
    documents = { ocr_languages = [] }
  }
  expect_failures = [var.documents]
}

run "refuses_a_language_twice" {
  command = plan
  variables {
    documents = { ocr_languages = ["deu", "deu"] }
  }
  expect_failures = [var.documents]
}

run "refuses_languages_for_textract" {
  command = plan
  variables {
    documents = { ocr = "textract", ocr_languages = ["deu"] }
  }
  expect_failures = [var.documents]
}

run "refuses_gemini_without_its_key" {
  command = plan
  variables {
    model_id = "gemini-2.5-flash"
  }
  expect_failures = [var.model_id]
}

run "admits_gemini_with_its_key" {
  command = plan
  variables {
    model_id = "gemini-2.5-flash"
    worker   = { secrets = { GEMINI_API_KEY = "arn:aws:ssm:eu-west-1:111122223333:parameter/key" } }
  }
}

run "admits_a_model_by_its_bare_id" {
  command = plan
  variables {
    model_id = "anthropic.claude-sonnet-4-5-20250514-v1:0"
  }
}

run "admits_a_model_by_its_global_profile" {
  command = plan
  variables {
    model_id = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
  }
}

run "admits_a_model_by_the_arn_of_its_profile" {
  command = plan
  variables {
    model_id = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
  }
}

run "admits_every_limit" {
  command = plan
  variables {
    name      = "abcdefghijklmnopqrstuvwxy"
    lanes     = { high = { maximum_concurrency = 2 }, low = { maximum_concurrency = 1000 } }
    lease     = { heartbeat_s = 15, lease_s = 31 }
    queue     = { visibility_timeout_s = 900 }
    retention = { jobs_days = 5, artifacts_days = 5, uploads_days = 5 }
    worker    = { timeout_s = 900, memory_mb = 10240, jobs_per_invocation = 20, batching_window_s = 300, reserved_concurrency = 1004 }
    api       = { timeout_s = 30, memory_mb = 128, authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] } }
  }
}

run "refuses_a_model_as_a_product_of_the_marketplace" {
  command = plan
  variables {
    marketplace = { product_ids = ["anthropic.claude-sonnet-4-5-20250929-v1:0"] }
  }
  expect_failures = [var.marketplace]
}

run "refuses_the_arn_of_a_bucket" {
  command = plan
  variables {
    bucket = { name = "arn:aws:s3:::acme" }
  }
  expect_failures = [var.bucket]
}

run "refuses_a_prefix_without_its_slash" {
  command = plan
  variables {
    bucket = { name = "acme", prefix = "analysis" }
  }
  expect_failures = [var.bucket]
}

run "refuses_a_prefix_with_a_wildcard" {
  command = plan
  variables {
    bucket = { name = "acme", prefix = "ana*/" }
  }
  expect_failures = [var.bucket]
}

run "refuses_an_alias_for_the_key_of_everything" {
  command = plan
  variables {
    encryption = { key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/acme" }
  }
  expect_failures = [var.encryption]
}

run "refuses_a_key_policy_that_is_no_policy" {
  command = plan
  variables {
    encryption = { key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d", key_policy_json = "[]" }
  }
  expect_failures = [var.encryption]
}

run "refuses_a_role_path_without_slashes" {
  command = plan
  variables {
    role = { path = "teams" }
  }
  expect_failures = [var.role]
}

run "refuses_a_path_as_the_prefix_of_roles" {
  command = plan
  variables {
    role = { name_prefix = "teams/books-" }
  }
  expect_failures = [var.role]
}

run "refuses_the_name_of_a_permissions_boundary" {
  command = plan
  variables {
    role = { permissions_boundary_arn = "boundary" }
  }
  expect_failures = [var.role]
}

run "refuses_a_snapshot_of_an_unknown_function" {
  command = plan
  variables {
    functions = { snap_start = ["workers"] }
  }
  expect_failures = [var.functions]
}

run "refuses_a_sweeper_that_may_not_run" {
  command = plan
  variables {
    functions = { reserved_concurrency = { sweeper = 0 } }
  }
  expect_failures = [var.functions]
}

run "refuses_a_vpc_without_subnets" {
  command = plan
  variables {
    functions = { vpc = { security_group_ids = ["sg-0a"], subnet_ids = [] } }
  }
  expect_failures = [var.functions]
}

run "refuses_five_layers_beside_that_of_tracing" {
  command = plan
  variables {
    functions = { layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1"] }
    tracing   = { mode = "opentelemetry", layer_arn = "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1" }
  }
  expect_failures = [var.functions]
}

run "refuses_a_layer_without_its_version" {
  command = plan
  variables {
    functions = { layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel"] }
  }
  expect_failures = [var.functions]
}

run "refuses_a_signing_profile_for_a_code_signing_configuration" {
  command = plan
  variables {
    functions = { code_signing_config_arn = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/acme" }
  }
  expect_failures = [var.functions]
}

run "refuses_a_log_class_for_deliveries" {
  command = plan
  variables {
    logs = { class = "DELIVERY" }
  }
  expect_failures = [var.logs]
}

run "refuses_a_retention_of_the_trail_that_cloudwatch_does_not_know" {
  command = plan
  variables {
    audit = { retention_days = 100 }
  }
  expect_failures = [var.audit]
}

run "admits_a_trail_that_is_kept_for_ever" {
  command = plan
  variables {
    audit = { key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1", retention_days = 0 }
  }
}

run "refuses_an_alias_for_the_key_of_the_trail" {
  command = plan
  variables {
    audit = { key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/trail" }
  }
  expect_failures = [var.audit]
}

run "refuses_a_name_of_the_trail_with_a_blank" {
  command = plan
  variables {
    names = { audit_log = "the trail" }
  }
  expect_failures = [var.names]
}

run "refuses_alarms_on_logs_that_make_no_metrics" {
  command = plan
  variables {
    logs = { class = "INFREQUENT_ACCESS" }
  }
  expect_failures = [var.logs]
}

run "admits_cheap_logs_without_alarms" {
  command = plan
  variables {
    alarms = { enabled = false }
    logs   = { class = "INFREQUENT_ACCESS" }
  }
}

run "refuses_an_unknown_log_format" {
  command = plan
  variables {
    logs = { format = "TEXT" }
  }
  expect_failures = [var.logs]
}

run "refuses_an_alias_for_the_key_of_the_logs" {
  command = plan
  variables {
    logs = { key_arn = "alias/logs" }
  }
  expect_failures = [var.logs]
}

run "refuses_an_unknown_log_level" {
  command = plan
  variables {
    logs = { level = "WARNING" }
  }
  expect_failures = [var.logs]
}

run "refuses_an_unknown_way_to_trace" {
  command = plan
  variables {
    tracing = { mode = "otel" }
  }
  expect_failures = [var.tracing]
}

run "refuses_opentelemetry_without_a_layer" {
  command = plan
  variables {
    tracing = { mode = "opentelemetry" }
  }
  expect_failures = [var.tracing]
}

run "refuses_the_name_of_a_layer" {
  command = plan
  variables {
    tracing = { mode = "opentelemetry", layer_arn = "AWSOpenTelemetryDistroPython" }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_layer_beside_its_own_opentelemetry" {
  command = plan
  variables {
    tracing = { mode = "opentelemetry", layer_arn = "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", otel = { endpoint = "https://otel.example.com" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_collector_without_a_scheme" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "otel.example.com:4318" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_collector_with_a_login" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://user:word@otel.example.com" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_collector_with_the_path_of_traces" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com/v1/traces/" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_share_of_traces_in_percent" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", sample_ratio = 10 } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_long_wait_for_the_collector" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", timeout_s = 10.1 } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_header_that_is_no_name" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", headers = { "X Scope" = "acme" } } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_credential_in_plain_headers" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", headers = { Api-Key = "k" } } }
  }
  expect_failures = [var.tracing]
}

run "refuses_the_secret_headers_themselves" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", headers_secret_arn = "api-key=k" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_a_key_without_secret_headers" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", headers_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_an_alias_for_the_key_of_the_headers" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", headers_key_arn = "alias/collector", headers_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector-??????" } }
  }
  expect_failures = [var.tracing]
}

run "refuses_another_name_of_the_service" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", resource_attributes = { "service.name" = "other" } } }
  }
  expect_failures = [var.tracing]
}

run "admits_traces_to_a_collector" {
  command = plan
  variables {
    tracing = {
      mode = "xray"
      otel = {
        endpoint            = "http://10.0.0.7:4318/tenants/acme/"
        headers             = { X-Scope-OrgID = "acme" }
        headers_key_arn     = "arn:aws:kms:eu-west-1:111122223333:key/0a1b"
        headers_secret_arn  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:collector-??????"
        resource_attributes = { "deployment.environment.name" = "prod" }
        sample_ratio        = 0
        timeout_s           = 10
      }
    }
  }
}

run "admits_a_short_wait_for_the_collector" {
  command = plan
  variables {
    tracing = { otel = { endpoint = "https://otel.example.com", timeout_s = 0.1 } }
  }
}

run "refuses_a_single_poller" {
  command = plan
  variables {
    lanes = { medium = { provisioned_pollers = { minimum = 1 } } }
  }
  expect_failures = [var.lanes]
}

run "refuses_pollers_beside_a_maximum_concurrency" {
  command = plan
  variables {
    lanes = { medium = { maximum_concurrency = 5, provisioned_pollers = {} } }
  }
  expect_failures = [var.lanes]
}

run "refuses_a_secret_with_a_star" {
  command = plan
  variables {
    worker = { secrets = { DATABASE_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:books*" } }
  }
  expect_failures = [var.worker]
}

run "admits_a_secret_without_its_random_suffix" {
  command = plan
  variables {
    worker = { secrets = { DATABASE_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:books/database-??????" } }
  }
}

run "refuses_a_statement_without_a_resource" {
  command = plan
  variables {
    worker = { statements = { books_read = { actions = ["s3:GetObject"], resources = [] } } }
  }
  expect_failures = [var.worker]
}

run "refuses_a_statement_with_a_name_of_the_module" {
  command = plan
  variables {
    worker = { statements = { jobs_write = { actions = ["s3:GetObject"], resources = ["*"] } } }
  }
  expect_failures = [var.worker]
}

run "refuses_a_statement_that_allows_everything" {
  command = plan
  variables {
    worker = { statements = { books_read = { actions = ["s3:*"], resources = ["*"] } } }
  }
  expect_failures = [var.worker]
}

run "refuses_a_geography_with_its_dot" {
  command = plan
  variables {
    model_access = { geographies = ["eu."] }
  }
  expect_failures = [var.model_access]
}

run "refuses_a_region_with_a_wildcard" {
  command = plan
  variables {
    model_access = { regions = ["eu-*"] }
  }
  expect_failures = [var.model_access]
}

run "refuses_a_default_model_of_another_geography" {
  command = plan
  variables {
    model_access = { geographies = ["us"] }
  }
  expect_failures = [var.model_id]
}

run "refuses_alarms_that_nobody_gets" {
  command = plan
  variables {
    alarms = { topics = { critical = [] } }
  }
  expect_failures = [var.alarms]
}

run "refuses_the_name_of_a_topic" {
  command = plan
  variables {
    alarms = { topics = { critical = ["pager"] } }
  }
  expect_failures = [var.alarms]
}

run "refuses_addresses_for_topics_of_others" {
  command = plan
  variables {
    alarms = { email = ["ops@example.com"], topics = { critical = ["arn:aws:sns:eu-west-1:111122223333:pager"] } }
  }
  expect_failures = [var.alarms]
}

run "refuses_a_topic_of_notices_beside_the_modules_own" {
  command = plan
  variables {
    events = { sns = true, topic = { arn = "arn:aws:sns:eu-west-1:111122223333:ended" } }
  }
  expect_failures = [var.events]
}

run "refuses_a_fifo_topic_of_notices" {
  command = plan
  variables {
    events = { topic = { arn = "arn:aws:sns:eu-west-1:111122223333:ended.fifo" } }
  }
  expect_failures = [var.events]
}

run "admits_everything_of_your_own" {
  command = plan
  variables {
    alarms       = { topics = { critical = ["arn:aws:sns:eu-west-1:111122223333:pager"] } }
    bucket       = { name = "acme.shared", prefix = "teams/analysis/" }
    encryption   = { key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d" }
    events       = { topic = { arn = "arn:aws:sns:eu-west-1:111122223333:ended" } }
    functions    = { layers = ["arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1", "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1"], snap_start = ["api", "worker"], vpc = { security_group_ids = ["sg-0a"], subnet_ids = ["subnet-0a"] } }
    lanes        = { medium = { provisioned_pollers = { minimum = 2, maximum = 2 } } }
    logs         = { format = "Text", key_arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d", level = "WARN" }
    model_access = { geographies = ["eu"], regions = ["eu-central-1", "eu-west-1"] }
    package      = { s3 = { bucket = "acme-packages", key = "a.zip", object_version = "v1" }, sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
    role         = { name_prefix = "team_", path = "/teams/books/", permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary" }
    tracing      = { mode = "opentelemetry", layer_arn = "arn:aws:lambda:eu-west-1:111122223333:layer:otel:1" }
  }
}

run "refuses_an_api_without_callers" {
  command = plan
  variables {
    api = {}
  }
  expect_failures = [var.api]
}

run "refuses_issuers_beside_no_authorizer" {
  command = plan
  variables {
    api = { iam = { tenant = "acme" }, issuers = { partner = { issuer = "https://issuer.example.com", audience = ["orders"] } } }
  }
  expect_failures = [var.api]
}

run "refuses_one_issuer_twice" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }, issuers = { partner = { issuer = "https://issuer.example.com", audience = ["partner"] } } }
  }
  expect_failures = [var.api]
}

run "refuses_a_tenant_with_a_slash" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"], tenant = "acme/other" } }
  }
  expect_failures = [var.api]
}

run "refuses_a_fixed_tenant_beside_a_choice" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"], tenant = "acme", tenants = ["acme"] } }
  }
  expect_failures = [var.api]
}

run "refuses_aws_callers_without_a_tenant" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }, iam = {} }
  }
  expect_failures = [var.api]
}

run "refuses_a_wildcard_for_an_aws_caller" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }, iam = { tenants = { acme = ["arn:aws:iam::111122223333:role/*"] } } }
  }
  expect_failures = [var.api]
}

run "refuses_an_aws_caller_with_two_tenants" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }, iam = { tenants = { acme = ["arn:aws:iam::111122223333:role/backend"], globex = ["arn:aws:iam::111122223333:role/backend"] } } }
  }
  expect_failures = [var.api]
}

run "refuses_aws_callers_on_the_routes_of_the_tokens" {
  command = plan
  variables {
    api = { authorizer = { issuer = "https://issuer.example.com", audience = ["orders"] }, iam = { path = "", tenant = "acme" } }
  }
  expect_failures = [var.api]
}

run "refuses_a_web_origin_with_a_path" {
  command = plan
  variables {
    web_origins = ["https://app.example.com/page"]
  }
  expect_failures = [var.web_origins]
}

run "refuses_a_function_name_with_a_blank" {
  command = plan
  variables {
    names = { functions = { worker = "our worker" } }
  }
  expect_failures = [var.names]
}

run "refuses_a_role_name_with_a_slash" {
  command = plan
  variables {
    names = { roles = { worker = "team/worker" } }
  }
  expect_failures = [var.names]
}

run "refuses_the_queue_of_an_unknown_lane" {
  command = plan
  variables {
    names = { queues = { urgent = "urgent" } }
  }
  expect_failures = [var.names]
}

run "refuses_a_queue_name_with_fifo" {
  command = plan
  variables {
    names = { queues = { medium = "jobs.fifo" } }
  }
  expect_failures = [var.names]
}

run "refuses_a_table_name_of_two_letters" {
  command = plan
  variables {
    names = { table = "jo" }
  }
  expect_failures = [var.names]
}

run "refuses_a_bucket_name_with_a_dot" {
  command = plan
  variables {
    names = { bucket = "jobs.acme" }
  }
  expect_failures = [var.names]
}

run "refuses_a_dashboard_name_with_a_dot" {
  command = plan
  variables {
    names = { dashboard = "jobs.acme" }
  }
  expect_failures = [var.names]
}

run "refuses_a_topic_name_with_a_dot" {
  command = plan
  variables {
    names = { notice_topic = "jobs.fifo" }
  }
  expect_failures = [var.names]
}

run "refuses_a_rule_name_with_a_slash" {
  command = plan
  variables {
    names = { sweep_rule = "acme/sweep" }
  }
  expect_failures = [var.names]
}

run "refuses_to_retire_an_unknown_lane" {
  command = plan
  variables {
    queue = { retired = ["urgent"] }
  }
  expect_failures = [var.queue]
}

run "refuses_to_retire_a_queue_in_use" {
  command = plan
  variables {
    queue = { retired = ["medium"] }
  }
  expect_failures = [var.queue]
}

run "accepts_every_kind_of_caller" {
  command = plan
  variables {
    api = {
      authorizer       = { issuer = "https://issuer.example.com", audience = ["orders"], tenant = "acme" }
      issuers          = { partner = { issuer = "https://partner.example.com", audience = ["orders"], tenant_claim = "custom:org", tenants = ["initech"] } }
      iam              = { tenants = { acme = ["arn:aws:iam::111122223333:role/team/backend", "arn:aws-us-gov:iam::111122223333:user/ada"] } }
      default_endpoint = false
      domain           = { existing = true, name = "api.example.com", base_path = "analysis" }
    }
  }
}

run "accepts_a_stack_without_an_api_and_a_retired_queue" {
  command = plan
  variables {
    api         = null
    lanes       = { medium = {} }
    name        = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    queue       = { fifo = true, retired = ["medium", "high", "high.fifo"] }
    web_origins = ["https://app.example.com"]
    names       = { functions = { worker = "acme-staging-analysis-worker" }, queues = { medium = "acme-staging-analysis-jobs" }, dead_letter_queues = { medium = "acme-staging-analysis-jobs-dlq" } }
  }
}

run "refuses_a_tenant_that_would_widen_its_policy" {
  command = plan
  variables {
    backend = { tenants = ["acme", "*"] }
  }
  expect_failures = [var.backend]
}

run "accepts_tenants_and_a_tag_of_the_session" {
  command = plan
  variables {
    backend = { tenants = ["acme", "ada@example.com", "$${aws:PrincipalTag/tenant}"] }
  }
}
