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

run "refuses_a_name_too_long_for_the_bucket" {
  command = plan
  variables {
    name = "abcdefghijklmnopqrstuvwxyz"
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

run "refuses_more_jobs_at_once_than_a_receive_brings" {
  command = plan
  variables {
    worker = { jobs_per_invocation = 11 }
  }
  expect_failures = [var.worker]
}

run "refuses_reserved_concurrency_below_the_lanes_together" {
  command = plan
  variables {
    lanes  = { high = { maximum_concurrency = 6 }, low = { maximum_concurrency = 5 } }
    worker = { reserved_concurrency = 10 }
  }
  expect_failures = [var.worker]
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
    worker    = { timeout_s = 900, memory_mb = 10240, jobs_per_invocation = 10, reserved_concurrency = 1002 }
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
