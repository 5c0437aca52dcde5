# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {}

variables {
  name   = "rfp-staging"
  github = { environment = "staging", repository = "acme/proposals" }
}

run "refuses_a_key_by_its_alias" {
  command = plan
  variables {
    extra = { kms_key_arns = ["alias/own"] }
  }
  expect_failures = [var.extra]
}

run "refuses_a_right_to_change_roles" {
  command = plan
  variables {
    extra = { function_statements = [{ actions = ["iam:PutRolePolicy"], resources = ["*"] }] }
  }
  expect_failures = [var.extra]
}

run "refuses_every_action" {
  command = plan
  variables {
    extra = { function_statements = [{ actions = ["*"], resources = ["*"] }] }
  }
  expect_failures = [var.extra]
}

run "refuses_a_url_as_a_domain" {
  command = plan
  variables {
    extra = { domains = ["https://jobs.example.com"] }
  }
  expect_failures = [var.extra]
}

run "refuses_a_path_as_a_zone" {
  command = plan
  variables {
    extra = { hosted_zone_ids = ["/hostedzone/Z0123"] }
  }
  expect_failures = [var.extra]
}

run "refuses_a_repository_without_its_owner" {
  command = plan
  variables {
    github = { environment = "staging", repository = "proposals" }
  }
  expect_failures = [var.github]
}

run "refuses_a_repository_with_a_wildcard" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme/*" }
  }
  expect_failures = [var.github]
}

run "refuses_a_repository_with_one_number" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme@123/proposals" }
  }
  expect_failures = [var.github]
}

run "refuses_an_environment_with_a_colon" {
  command = plan
  variables {
    github = { environment = "a:b", repository = "acme/proposals" }
  }
  expect_failures = [var.github]
}

run "refuses_every_subject" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme/proposals", plan_subjects = ["*"] }
  }
  expect_failures = [var.github]
}

run "refuses_every_branch" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme/proposals", plan_subjects = ["ref:refs/heads/*"] }
  }
  expect_failures = [var.github]
}

run "refuses_every_tag_that_ends_so" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme/proposals", plan_subjects = ["ref:refs/tags/*-rc"] }
  }
  expect_failures = [var.github]
}

run "refuses_a_provider_of_somebody_else" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme/proposals", oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com" }
  }
  expect_failures = [var.github]
}

run "refuses_a_name_of_one_letter" {
  command = plan
  variables {
    name = "a"
  }
  expect_failures = [var.name]
}

run "refuses_a_prefix_with_a_wildcard" {
  command = plan
  variables {
    name_prefixes = ["*"]
  }
  expect_failures = [var.name_prefixes]
}

run "refuses_a_prefix_of_two_letters" {
  command = plan
  variables {
    name_prefixes = ["ab"]
  }
  expect_failures = [var.name_prefixes]
}

run "refuses_packages_in_no_bucket" {
  command = plan
  variables {
    packages = {}
  }
  expect_failures = [var.packages]
}

run "refuses_a_bucket_by_its_arn" {
  command = plan
  variables {
    packages = { bucket = "arn:aws:s3:::acme-packages" }
  }
  expect_failures = [var.packages]
}

run "refuses_a_table_by_its_arn" {
  command = plan
  variables {
    prompt_table = "arn:aws:dynamodb:eu-west-1:111122223333:table/prompts"
  }
  expect_failures = [var.prompt_table]
}

run "refuses_a_path_without_a_slash" {
  command = plan
  variables {
    role = { path = "teams" }
  }
  expect_failures = [var.role]
}

run "refuses_the_path_of_bootstraps_own_roles" {
  command = plan
  variables {
    role = { path = "/analysis-jobs/eu-west-1/" }
  }
  expect_failures = [var.role]
}

run "refuses_a_path_as_a_prefix" {
  command = plan
  variables {
    role = { name_prefix = "teams/" }
  }
  expect_failures = [var.role]
}

run "refuses_the_state_of_bootstrap" {
  command = plan
  variables {
    state = { key = "bootstrap/rfp-staging.tfstate" }
  }
  expect_failures = [var.state]
}

run "refuses_a_state_with_a_wildcard" {
  command = plan
  variables {
    state = { key = "analysis-jobs/*" }
  }
  expect_failures = [var.state]
}

run "refuses_a_state_bucket_that_the_deploy_role_may_delete" {
  command = plan
  variables {
    state = { bucket = "rfp-staging-state" }
  }
  expect_failures = [var.state]
}

run "refuses_a_state_bucket_with_capitals" {
  command = plan
  variables {
    state = { bucket = "Acme" }
  }
  expect_failures = [var.state]
}

run "refuses_a_state_key_by_its_alias" {
  command = plan
  variables {
    state = { kms_key_arn = "alias/state" }
  }
  expect_failures = [var.state]
}

run "refuses_a_version_that_goes_at_once" {
  command = plan
  variables {
    state = { noncurrent_days = 0 }
  }
  expect_failures = [var.state]
}

run "accepts_the_shortest_and_the_longest_names" {
  command = plan
  variables {
    name          = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    name_prefixes = ["abc"]
    state         = { bucket = "abc", noncurrent_days = 1 }
    github        = { environment = "p", plan_subjects = [], repository = "a/b" }
  }
}

run "accepts_a_repository_with_its_numbers" {
  command = plan
  variables {
    github = { environment = "staging", repository = "acme@1/proposals.v2@2", plan_subjects = ["pull_request", "ref:refs/heads/release/1.x", "ref:refs/tags/v1.0", "ref:refs/tags/v*"] }
  }
}

run "accepts_everything_of_a_stack" {
  command = plan
  variables {
    extra = {
      domains             = ["jobs.example.com"]
      function_statements = [{ actions = ["dynamodb:GetItem", "s3:Get*"], resources = ["*"] }]
      hosted_zone_ids     = ["Z0123"]
      kms_key_arns        = ["arn:aws-cn:kms:cn-north-1:111122223333:key/0f7a"]
    }
    packages     = { bucket = "acme-packages" }
    prompt_table = "abc"
    role         = { name_prefix = "team-", path = "/teams/books/" }
  }
}
