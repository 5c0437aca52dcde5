# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {}

variables {
  model_ids = ["anthropic.claude-sonnet-4-5-*"]
}

run "refuses_an_application_profile_by_its_id" {
  command = plan
  variables {
    application_inference_profile_arns = ["0a1b2c3d4e5f"]
  }
  expect_failures = [var.application_inference_profile_arns]
}

run "refuses_every_application_profile" {
  command = plan
  variables {
    application_inference_profile_arns = ["arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/*"]
  }
  expect_failures = [var.application_inference_profile_arns]
}

run "refuses_a_geographic_profile_in_the_place_of_an_application_profile" {
  command = plan
  variables {
    application_inference_profile_arns = ["arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.anthropic.claude-sonnet-4-5-20250514-v1:0"]
  }
  expect_failures = [var.application_inference_profile_arns]
}

run "refuses_an_empty_list_of_models" {
  command = plan
  variables {
    model_ids = []
  }
  expect_failures = [var.model_ids]
}

run "refuses_every_model" {
  command = plan
  variables {
    model_ids = ["*"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_every_model_beside_a_good_one" {
  command = plan
  variables {
    model_ids = ["anthropic.claude-sonnet-4-5-*", "*"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_a_part_of_a_vendor" {
  command = plan
  variables {
    model_ids = ["anthr*.claude-sonnet-4-5-*"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_a_vendor_without_a_model" {
  command = plan
  variables {
    model_ids = ["anthropic."]
  }
  expect_failures = [var.model_ids]
}

run "refuses_a_policy_variable" {
  command = plan
  variables {
    model_ids = ["anthropic.$${aws:PrincipalTag/model}"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_a_geography_of_two_letters" {
  command = plan
  variables {
    model_ids = ["us.anthropic.claude-sonnet-4-5-*"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_the_geography_global" {
  command = plan
  variables {
    model_ids = ["global.anthropic.claude-sonnet-4-5-*"]
  }
  expect_failures = [var.model_ids]
}

run "refuses_the_geography_us_gov" {
  command = plan
  variables {
    model_ids = ["us-gov.anthropic.claude-sonnet-4-5-*"]
  }
  expect_failures = [var.model_ids]
}

run "accepts_a_whole_vendor" {
  command = plan
  variables {
    model_ids = ["anthropic.*"]
  }
}

run "accepts_a_model_with_a_dot_and_a_version" {
  command = plan
  variables {
    model_ids = ["moonshotai.kimi-k2.5", "amazon.nova-lite-v1:0"]
  }
}

run "accepts_an_application_profile_of_another_partition" {
  command = plan
  variables {
    application_inference_profile_arns = ["arn:aws-us-gov:bedrock:us-gov-west-1:111122223333:application-inference-profile/0a1b2c3d4e5f"]
  }
}

run "refuses_a_model_as_a_product_of_the_marketplace" {
  command = plan
  variables {
    marketplace = { product_ids = ["anthropic.claude-sonnet-4-5-20250929-v1:0"] }
  }
  expect_failures = [var.marketplace]
}

run "refuses_a_geography_with_its_dot" {
  command = plan
  variables {
    geographies = ["eu."]
  }
  expect_failures = [var.geographies]
}

run "refuses_every_geography_by_a_wildcard" {
  command = plan
  variables {
    geographies = ["??"]
  }
  expect_failures = [var.geographies]
}

run "refuses_a_region_with_a_wildcard" {
  command = plan
  variables {
    regions = ["eu-*"]
  }
  expect_failures = [var.regions]
}

run "refuses_models_in_no_region" {
  command = plan
  variables {
    regions = []
  }
  expect_failures = [var.regions]
}

run "accepts_no_geography_and_a_region_of_another_partition" {
  command = plan
  variables {
    geographies = []
    regions     = ["us-gov-west-1", "eu-central-1"]
  }
}
