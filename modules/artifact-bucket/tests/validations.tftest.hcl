# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {}

variables {
  name = "rfp-artifacts"
}

run "refuses_an_origin_with_a_slash_at_its_end" {
  command = plan
  variables {
    cors = { allowed_origins = ["https://app.example.com/"] }
  }
  expect_failures = [var.cors]
}

run "refuses_an_origin_with_two_wildcards" {
  command = plan
  variables {
    cors = { allowed_origins = ["https://*.example.*"] }
  }
  expect_failures = [var.cors]
}

run "refuses_an_empty_list_of_methods" {
  command = plan
  variables {
    cors = { allowed_methods = [], allowed_origins = ["*"] }
  }
  expect_failures = [var.cors]
}

run "refuses_a_method_that_is_never_presigned" {
  command = plan
  variables {
    cors = { allowed_methods = ["POST", "DELETE"], allowed_origins = ["*"] }
  }
  expect_failures = [var.cors]
}

run "refuses_a_negative_age" {
  command = plan
  variables {
    cors = { allowed_origins = ["*"], max_age_s = -1 }
  }
  expect_failures = [var.cors]
}

run "refuses_a_key_by_its_alias" {
  command = plan
  variables {
    kms_key_arn = "alias/artifacts"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_a_prefix_without_its_slash" {
  command = plan
  variables {
    lifecycle_rules = { "uploads" = { expire_after_days = 7 } }
  }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_a_prefix_that_begins_with_a_slash" {
  command = plan
  variables {
    lifecycle_rules = { "/uploads/" = { expire_after_days = 7 } }
  }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_an_expiry_after_no_day" {
  command = plan
  variables {
    lifecycle_rules = { "uploads/" = { expire_after_days = 0 } }
  }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_an_expiry_after_half_a_day" {
  command = plan
  variables {
    lifecycle_rules = { "uploads/" = { expire_after_days = 0.5 } }
  }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_an_old_version_that_goes_at_once" {
  command = plan
  variables {
    lifecycle_rules = { "uploads/" = { noncurrent_after_days = 0 } }
  }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_a_name_of_two_letters" {
  command = plan
  variables {
    name = "ab"
  }
  expect_failures = [var.name]
}

run "refuses_a_name_of_64_letters" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.name]
}

run "accepts_origins_of_every_kind" {
  command = plan
  variables {
    cors = { allowed_methods = ["GET", "HEAD", "POST", "PUT"], allowed_origins = ["*", "http://localhost:3000", "https://*.example.com"], max_age_s = 0 }
  }
}

run "accepts_rules_at_their_limits" {
  command = plan
  variables {
    lifecycle_rules = {
      "jobs/"    = { noncurrent_after_days = 1 }
      "uploads/" = { expire_after_days = 1, noncurrent_after_days = 3650 }
    }
  }
}

run "accepts_a_name_of_63_letters" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
}
