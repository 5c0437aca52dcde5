variables {
  analyses = ["plain"]
  lanes    = ["medium"]
  models   = { bedrock_model_ids = ["anthropic.claude-sonnet-4-5-*"] }
  package  = { manifest = "tests/manifest.json" }
  routes   = []
}

run "refuses_a_hash_in_hexadecimal" {
  command = plan
  variables {
    package = { path = "tests/package.txt", sha256_base64 = sha256("x") }
  }
  expect_failures = [var.package]
}

run "refuses_a_url_for_the_packages_bucket" {
  command = plan
  variables {
    package = {
      path          = "tests/package.txt"
      s3            = { bucket = "s3://acme-packages", key = "proposals.zip" }
      sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g="
    }
  }
  expect_failures = [var.package]
}

run "refuses_to_send_more_than_lambda_takes_in_a_request" {
  command = plan
  variables {
    package = {
      path          = "tests/package.txt"
      sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g="
      size_bytes    = 52428801
    }
  }
  expect_failures = [var.package]
}

run "refuses_a_package_for_the_other_processor" {
  command = plan
  variables {
    architecture = "x86_64"
  }
  expect_failures = [var.architecture]
}

run "refuses_the_content_of_a_manifest" {
  command = plan
  variables {
    package = { path = "package.txt", sha256 = "4240cb952eb1808900eafa7eb6ddde415f1c7dc7f2674259f673ac09bfe5c388", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  }
  expect_failures = [var.package]
}

run "refuses_neither_a_manifest_nor_a_zip" {
  command = plan
  variables {
    package = { version = "1.0.0" }
  }
  expect_failures = [var.package]
}

run "refuses_a_manifest_that_is_not_there" {
  command = plan
  variables {
    package = { manifest = "tests/manifset.json" }
  }
  expect_failures = [var.package]
}

run "refuses_the_manifest_of_an_older_version" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-older.json" }
  }
  expect_failures = [var.package]
}

run "refuses_a_library_that_does_not_fit" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-other-library.json" }
  }
  expect_failures = [var.package]
}

run "refuses_a_package_for_a_laptop" {
  command = plan
  variables {
    package = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=", architecture = "darwin-arm64" }
  }
  expect_failures = [var.package]
}

run "refuses_the_package_of_another_analysis" {
  command = plan
  variables {
    analyses = ["rfp_analysis"]
  }
  expect_failures = [var.analyses]
}

run "refuses_a_route_that_the_api_lacks" {
  command = plan
  variables {
    analyses = ["routed"]
    routes   = ["POST /orders/{id}/check"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_route_that_no_analysis_has" {
  command = plan
  variables {
    routes = ["POST /orders/{id}/chekc"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_lane_that_a_trigger_uses_and_the_stack_lacks" {
  command = plan
  variables {
    analyses = ["prioritised"]
  }
  expect_failures = [var.lanes]
}

run "refuses_tiers_on_fifo_queues" {
  command = plan
  variables {
    analyses = ["tiered"]
    fifo     = true
  }
  expect_failures = [var.fifo]
}

run "refuses_a_secret_that_the_code_reads_and_the_worker_lacks" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-secrets.json" }
  }
  expect_failures = [var.secrets]
}

run "refuses_ocr_without_its_extra" {
  command = plan
  variables {
    documents = { ocr = "tesseract" }
  }
  expect_failures = [var.documents]
}

run "refuses_a_language_that_the_package_lacks" {
  command = plan
  variables {
    documents = { ocr_languages = ["deu"] }
  }
  expect_failures = [var.documents]
}

run "refuses_gemini_without_its_extra" {
  command = plan
  variables {
    analyses = ["gemini"]
    secrets  = ["GEMINI_API_KEY"]
  }
  expect_failures = [var.models]
}

run "refuses_the_model_of_an_analysis_that_the_worker_may_not_call" {
  command = plan
  variables {
    analyses = ["other_model"]
  }
  expect_failures = [var.models]
}

run "accepts_a_package_that_fits_the_settings" {
  command = plan
  variables {
    analyses     = ["gemini", "other_model", "plain", "prioritised", "routed", "tiered"]
    architecture = "arm64"
    documents    = { ocr = "tesseract", ocr_languages = ["eng"] }
    lanes        = ["high", "low", "medium"]
    models       = { bedrock_model_ids = ["anthropic.claude-opus-4-5-*"], model_id = "gemini-2.5-flash" }
    otel         = true
    package      = { manifest = "tests/manifest-all.json" }
    routes       = ["GET /orders/{id}/check", "POST /orders/{id}/check"]
    secrets      = ["DATABASE_SECRET", "GEMINI_API_KEY", "OTHER"]
  }
}

run "accepts_the_secret_that_the_code_reads" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-secrets.json" }
    secrets = ["DATABASE_SECRET"]
  }
}

run "refuses_a_file_that_is_no_manifest" {
  command = plan
  variables {
    package = { manifest = "tests/package.txt" }
  }
  expect_failures = [var.package]
}

run "refuses_a_mistyped_module_among_others" {
  command = plan
  variables {
    analyses = ["plain", "tierd"]
  }
  expect_failures = [var.analyses]
}

run "refuses_a_gemini_model_of_an_analysis_without_the_key" {
  command = plan
  variables {
    analyses = ["gemini"]
    package  = { manifest = "tests/manifest-all.json" }
    secrets  = ["DATABASE_SECRET"]
  }
  expect_failures = [var.secrets]
}

run "refuses_a_gemini_default_without_its_extra" {
  command = plan
  variables {
    models = { model_id = "gemini-2.5-pro" }
  }
  expect_failures = [var.models]
}

run "accepts_routes_of_analyses_that_this_stack_does_not_run" {
  command = plan
  variables {
    routes = ["GET /orders/{id}/check"]
  }
}

run "accepts_an_analysis_with_routes_in_a_stack_without_an_api" {
  command = plan
  variables {
    analyses = ["routed"]
    routes   = null
  }
}

run "accepts_a_large_zip_from_s3" {
  command = plan
  variables {
    package = {
      path          = "tests/package.txt"
      s3            = { bucket = "acme-packages", key = "proposals.zip" }
      sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g="
      size_bytes    = 52428801
    }
  }
}

run "accepts_anything_of_a_zip_without_a_manifest" {
  command = plan
  variables {
    analyses = ["rfp_analysis"]
    fifo     = true
    models   = { model_id = "gemini-2.5-pro" }
    otel     = true
    package  = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
    routes   = ["POST /orders/{id}/check"]
  }
}

run "refuses_a_package_that_is_nowhere" {
  command = plan
  variables {
    package = { sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  }
  expect_failures = [var.package]
}

run "refuses_a_package_in_s3_alone_without_a_version" {
  command = plan
  variables {
    package = {
      s3            = { bucket = "acme-packages", key = "proposals.zip" }
      sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g="
    }
  }
  expect_failures = [var.package]
}

run "accepts_a_zip_that_is_in_s3_alone" {
  command = plan
  variables {
    package = { s3 = { bucket = "acme-packages", key = "a.zip", object_version = "v1" }, sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  }
}

run "refuses_a_model_of_a_geography_that_the_role_may_not_call" {
  command = plan
  variables {
    analyses = ["other_model"]
    models   = { bedrock_model_ids = ["anthropic.claude-opus-4-5-*"], geographies = ["us"] }
  }
  expect_failures = [var.models]
}

run "admits_a_model_of_the_geography" {
  command = plan
  variables {
    analyses = ["other_model"]
    models   = { bedrock_model_ids = ["anthropic.claude-opus-4-5-*"], geographies = ["eu"] }
  }
}

run "refuses_traces_without_the_extra" {
  command = plan
  variables {
    otel = true
  }
  expect_failures = [var.otel]
}

run "refuses_live_versions_that_are_no_numbers" {
  command = plan
  variables {
    package = { manifest = "tests/manifest.json", live_versions = { worker = "live" } }
  }
  expect_failures = [var.package]
}
