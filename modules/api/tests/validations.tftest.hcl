mock_provider "aws" {}

variables {
  name    = "orders-api"
  routes  = ["POST /jobs", "GET /jobs/{job_id}"]
  issuers = { jwt = { issuer = "https://issuer.example.com/pool", audience = ["orders"] } }
  function = {
    name       = "orders-api"
    alias      = "live"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:orders-api:live/invocations"
  }
}

run "refuses_an_issuer_on_plain_http" {
  command = plan
  variables {
    issuers = { jwt = { issuer = "http://issuer.example.com", audience = ["orders"] } }
  }
  expect_failures = [var.issuers]
}

run "refuses_an_empty_audience" {
  command = plan
  variables {
    issuers = { jwt = { issuer = "https://issuer.example.com", audience = [] } }
  }
  expect_failures = [var.issuers]
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

run "refuses_an_api_without_callers" {
  command = plan
  variables {
    issuers = {}
  }
  expect_failures = [var.issuers]
}

run "refuses_an_issuer_with_the_name_of_iam" {
  command = plan
  variables {
    issuers = { iam = { issuer = "https://issuer.example.com/pool", audience = ["orders"] } }
  }
  expect_failures = [var.issuers]
}

run "refuses_two_issuers_with_the_same_path" {
  command = plan
  variables {
    issuers = {
      jwt     = { issuer = "https://issuer.example.com/pool", audience = ["orders"] }
      partner = { issuer = "https://partner.example.com", audience = ["orders"] }
    }
  }
  expect_failures = [var.issuers]
}

run "refuses_iam_on_the_path_of_an_issuer" {
  command = plan
  variables {
    iam = { path = "" }
  }
  expect_failures = [var.issuers]
}

run "refuses_a_path_of_two_segments_for_iam" {
  command = plan
  variables {
    iam = { path = "aws/iam" }
  }
  expect_failures = [var.iam]
}

run "refuses_the_path_of_a_route_for_iam" {
  command = plan
  variables {
    iam = { path = "jobs" }
  }
  expect_failures = [var.routes]
}

run "refuses_an_api_that_nothing_can_reach" {
  command = plan
  variables {
    default_endpoint = false
  }
  expect_failures = [var.domain]
}

run "refuses_a_url_for_a_domain" {
  command = plan
  variables {
    domain = { name = "https://jobs.example.com", existing = true }
  }
  expect_failures = [var.domain]
}

run "refuses_a_base_path_with_a_slash_at_its_end" {
  command = plan
  variables {
    domain = { name = "jobs.example.com", existing = true, base_path = "analysis/" }
  }
  expect_failures = [var.domain]
}

run "refuses_a_new_domain_without_a_certificate" {
  command = plan
  variables {
    domain = { name = "jobs.example.com" }
  }
  expect_failures = [var.domain]
}

run "refuses_to_change_a_domain_that_exists" {
  command = plan
  variables {
    domain = { name = "jobs.example.com", existing = true, route53 = { zone_id = "Z1" } }
  }
  expect_failures = [var.domain]
}

run "refuses_mutual_tls_beside_the_open_endpoint" {
  command = plan
  variables {
    domain = { name = "jobs.example.com", certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/1", mutual_tls = { truststore_uri = "s3://trust/clients.pem" } }
  }
  expect_failures = [var.domain]
}

run "refuses_a_truststore_that_is_not_in_s3" {
  command = plan
  variables {
    default_endpoint = false
    domain           = { name = "jobs.example.com", certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/1", mutual_tls = { truststore_uri = "clients.pem" } }
  }
  expect_failures = [var.domain]
}

run "accepts_every_kind_of_caller_and_a_domain" {
  command = plan
  variables {
    issuers = {
      jwt     = { issuer = "https://issuer.example.com/pool", audience = ["orders"] }
      partner = { issuer = "https://partner.example.com", audience = ["orders"], path = "partner" }
    }
    iam              = {}
    default_endpoint = false
    domain = {
      base_path       = "v1/analysis"
      certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/1"
      mutual_tls      = { truststore_uri = "s3://trust/clients.pem" }
      name            = "jobs.example.com"
      route53         = { zone_id = "Z1" }
    }
  }
}

run "refuses_more_issuers_than_an_api_may_have" {
  command = plan
  variables {
    issuers = { for number in range(11) : "issuer-${number}" => { issuer = "https://issuer-${number}.example.com", audience = ["orders"], path = "issuer-${number}" } }
  }
  expect_failures = [var.issuers]
}
