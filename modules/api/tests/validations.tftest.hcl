mock_provider "aws" {}

variables {
  name       = "orders-api"
  routes     = ["POST /jobs", "GET /jobs/{job_id}"]
  authorizer = { issuer = "https://issuer.example.com/pool", audience = ["orders"] }
  function = {
    name       = "orders-api"
    alias      = "live"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:orders-api:live/invocations"
  }
}

run "refuses_an_issuer_on_plain_http" {
  command = plan
  variables {
    authorizer = { issuer = "http://issuer.example.com", audience = ["orders"] }
  }
  expect_failures = [var.authorizer]
}

run "refuses_an_empty_audience" {
  command = plan
  variables {
    authorizer = { issuer = "https://issuer.example.com", audience = [] }
  }
  expect_failures = [var.authorizer]
}

run "refuses_an_origin_with_a_path" {
  command = plan
  variables {
    cors = { allow_origins = ["https://app.example.com/page"] }
  }
  expect_failures = [var.cors]
}

run "refuses_to_let_browsers_remember_for_more_than_a_day" {
  command = plan
  variables {
    cors = { max_age_s = 86401 }
  }
  expect_failures = [var.cors]
}

run "refuses_a_log_period_that_cloudwatch_does_not_know" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

run "refuses_a_name_with_a_blank" {
  command = plan
  variables {
    name = "orders api"
  }
  expect_failures = [var.name]
}

run "refuses_an_api_without_routes" {
  command = plan
  variables {
    routes = []
  }
  expect_failures = [var.routes]
}

run "refuses_more_routes_than_an_api_may_have" {
  command = plan
  variables {
    routes = [for number in range(301) : "GET /route-${number}"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_route_without_a_method" {
  command = plan
  variables {
    routes = ["/jobs"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_catch_all_route" {
  command = plan
  variables {
    routes = ["GET /{proxy+}"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_route_that_ends_in_a_slash" {
  command = plan
  variables {
    routes = ["GET /jobs/"]
  }
  expect_failures = [var.routes]
}

run "refuses_two_routes_that_differ_in_a_parameter_name_only" {
  command = plan
  variables {
    routes = ["GET /jobs/{id}", "GET /jobs/{job_id}"]
  }
  expect_failures = [var.routes]
}

run "refuses_a_throttle_that_closes_the_api" {
  command = plan
  variables {
    throttling = { rate = 0 }
  }
  expect_failures = [var.throttling]
}

run "refuses_a_log_class_for_deliveries" {
  command = plan
  variables {
    log_class = "DELIVERY"
  }
  expect_failures = [var.log_class]
}

run "refuses_an_alias_for_the_key_of_the_log" {
  command = plan
  variables {
    log_key_arn = "alias/logs"
  }
  expect_failures = [var.log_key_arn]
}
