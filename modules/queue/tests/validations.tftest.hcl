# Each validation refuses a value here, and accepts its limits.
mock_provider "aws" {}

variables {
  function_timeout_s = 900
  name               = "rfp-jobs"
}

run "refuses_a_dead_letter_retention_in_parts_of_a_second" {
  command = plan
  variables {
    dead_letter_retention_s = 1000000.5
  }
  expect_failures = [var.dead_letter_retention_s]
}

run "refuses_a_dead_letter_retention_of_more_than_14_days" {
  command = plan
  variables {
    dead_letter_retention_s = 1209601
  }
  expect_failures = [var.dead_letter_retention_s]
}

run "refuses_a_dead_letter_retention_that_equals_the_queues" {
  command = plan
  variables {
    dead_letter_retention_s = 345600
  }
  expect_failures = [var.dead_letter_retention_s]
}

run "refuses_a_function_timeout_of_zero" {
  command = plan
  variables {
    function_timeout_s = 0
  }
  expect_failures = [var.function_timeout_s]
}

run "refuses_a_function_timeout_that_lambda_does_not_have" {
  command = plan
  variables {
    function_timeout_s   = 901
    visibility_timeout_s = 5400
  }
  expect_failures = [var.function_timeout_s]
}

run "refuses_a_receive_count_of_zero" {
  command = plan
  variables {
    max_receive_count = 0
  }
  expect_failures = [var.max_receive_count]
}

run "refuses_more_receives_than_sqs_counts" {
  command = plan
  variables {
    max_receive_count = 1001
  }
  expect_failures = [var.max_receive_count]
}

run "refuses_a_name_with_a_dot" {
  command = plan
  variables {
    name = "rfp.jobs"
  }
  expect_failures = [var.name]
}

run "refuses_a_name_without_room_for_the_dead_letter_queues" {
  command = plan
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [var.name]
}

run "refuses_a_fifo_name_without_room_for_the_dead_letter_queues" {
  command = plan
  variables {
    fifo = true
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.fifo"
  }
  expect_failures = [var.name]
}

run "refuses_a_fifo_queue_without_its_suffix" {
  command = plan
  variables {
    fifo = true
  }
  expect_failures = [var.name]
}

run "refuses_a_standard_queue_with_the_fifo_suffix" {
  command = plan
  variables {
    name = "rfp-jobs.fifo"
  }
  expect_failures = [var.name]
}

run "refuses_a_negative_wait_for_receives" {
  command = plan
  variables {
    receive_wait_s = -1
  }
  expect_failures = [var.receive_wait_s]
}

run "refuses_a_receive_that_waits_too_long" {
  command = plan
  variables {
    receive_wait_s = 21
  }
  expect_failures = [var.receive_wait_s]
}

run "refuses_a_retention_of_less_than_a_minute" {
  command = plan
  variables {
    retention_s = 59
  }
  expect_failures = [var.retention_s]
}

run "refuses_a_retention_in_parts_of_a_second" {
  command = plan
  variables {
    retention_s = 60.5
  }
  expect_failures = [var.retention_s]
}

run "refuses_a_visibility_below_the_functions_timeout" {
  command = plan
  variables {
    visibility_timeout_s = 899
  }
  expect_failures = [var.visibility_timeout_s]
}

run "refuses_a_visibility_of_more_than_12_hours" {
  command = plan
  variables {
    visibility_timeout_s = 43201
  }
  expect_failures = [var.visibility_timeout_s]
}

run "accepts_the_least_of_everything" {
  command = plan
  variables {
    dead_letter_retention_s = 61
    function_timeout_s      = 1
    max_receive_count       = 1
    receive_wait_s          = 0
    retention_s             = 60
    visibility_timeout_s    = 1
  }
}

run "accepts_the_most_of_everything" {
  command = plan
  variables {
    dead_letter_retention_s = 1209600
    max_receive_count       = 1000
    name                    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    retention_s             = 1209599
    visibility_timeout_s    = 43200
  }
}

run "accepts_the_longest_fifo_name" {
  command = plan
  variables {
    fifo = true
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.fifo"
  }
}

run "refuses_the_queues_own_name_for_the_dead_letter_queue" {
  command = plan
  variables {
    dead_letter_name = "rfp-jobs"
  }
  expect_failures = [var.dead_letter_name]
}
