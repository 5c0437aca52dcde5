# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {}

variables {
  name = "rfp-jobs"
}

run "refuses_a_key_by_the_arn_of_its_alias" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/jobs"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_a_name_of_two_letters" {
  command = plan
  variables {
    name = "ab"
  }
  expect_failures = [var.name]
}

run "refuses_a_name_of_256_letters" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.name]
}

run "refuses_a_name_with_a_blank" {
  command = plan
  variables {
    name = "rfp jobs"
  }
  expect_failures = [var.name]
}

run "accepts_a_key_of_another_partition" {
  command = plan
  variables {
    kms_key_arn = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0f7a"
  }
}

run "accepts_a_name_of_three_letters" {
  command = plan
  variables {
    name = "a.b"
  }
}
