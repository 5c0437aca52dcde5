mock_provider "aws" {}

variables {
  name               = "orders"
  api                = { id = "a1b2c3" }
  queues             = { high = "orders-jobs-high", low = "orders-jobs-low" }
  dead_letter_queues = { high = "orders-jobs-high-dlq", low = "orders-jobs-low-dlq" }
  service            = { name = "orders" }
  worker             = { function_name = "orders-worker", timeout_s = 600 }
}

run "refuses_a_stack_without_a_dead_letter_queue" {
  command = plan
  variables {
    queues             = {}
    dead_letter_queues = {}
  }
  expect_failures = [var.dead_letter_queues]
}

run "refuses_a_lane_that_is_watched_on_one_side_only" {
  command = plan
  variables {
    queues = { high = "orders-jobs-high" }
  }
  expect_failures = [var.dead_letter_queues]
}

run "refuses_an_invalid_mail_address" {
  command = plan
  variables {
    email = ["ops at example.com"]
  }
  expect_failures = [var.email]
}

run "refuses_an_address_named_twice" {
  command = plan
  variables {
    email = ["ops@example.com", "ops@example.com"]
  }
  expect_failures = [var.email]
}

run "refuses_a_name_with_a_blank" {
  command = plan
  variables {
    name = "the orders"
  }
  expect_failures = [var.name]
}

run "refuses_a_count_below_zero" {
  command = plan
  variables {
    thresholds = { worker_errors = -1 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_an_event_age_that_a_healthy_stack_reaches" {
  command = plan
  variables {
    thresholds = { events_late_s = 59 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_to_call_events_late_when_they_are_given_up" {
  command = plan
  variables {
    thresholds = { events_late_s = 79200 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_to_call_a_sweeper_silent_after_one_minute" {
  command = plan
  variables {
    thresholds = { sweeper_silent_min = 1 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_duration_alarm_that_a_healthy_hand_over_raises" {
  command = plan
  variables {
    thresholds = { worker_time_left_s = 15 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_message_age_that_a_healthy_long_job_reaches" {
  command = plan
  variables {
    thresholds = { oldest_message_age_s = 599 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_dead_letter_age_below_the_period_of_its_metric" {
  command = plan
  variables {
    thresholds = { dead_letter_age_s = 59 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_dead_letter_age_that_sqs_may_not_report" {
  command = plan
  variables {
    thresholds = { dead_letter_age_s = 18001 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_negative_margin_of_the_worker" {
  command = plan
  variables {
    worker = { function_name = "orders-worker", stop_margin_s = -1, timeout_s = 600 }
  }
  expect_failures = [var.worker]
}

run "refuses_topics_without_a_critical_one" {
  command = plan
  variables {
    topics = { critical = [] }
  }
  expect_failures = [var.topics]
}

run "refuses_addresses_for_topics_of_others" {
  command = plan
  variables {
    email  = ["ops@example.com"]
    topics = { critical = ["arn:aws:sns:eu-west-1:111122223333:pager"] }
  }
  expect_failures = [var.topics]
}

run "refuses_a_dashboard_name_with_a_blank" {
  command = plan
  variables {
    dashboard_name = "jobs of acme"
  }
  expect_failures = [var.dashboard_name]
}

run "refuses_a_cost_of_zero" {
  command = plan
  variables {
    thresholds = { cost_usd_per_hour = 0 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_a_negative_number_of_refused_logins" {
  command = plan
  variables {
    thresholds = { database_logins_refused = -1 }
  }
  expect_failures = [var.thresholds]
}

run "refuses_log_groups_without_the_workers" {
  command = plan
  variables {
    log_groups = { api = "/aws/lambda/orders-api" }
  }
  expect_failures = [var.log_groups]
}
