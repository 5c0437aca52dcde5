# What the mocked provider answers for the stack `orders`. Several test files use it.
mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_data "aws_partition" {
  defaults = { dns_suffix = "amazonaws.com", partition = "aws" }
}

mock_data "aws_region" {
  defaults = { id = "eu-west-1" }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws:events:eu-west-1:111122223333:rule/orders-sweep" }
}

mock_resource "aws_dynamodb_table" {
  defaults = { arn = "arn:prompts" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-1:111122223333:orders-notices" }
}

mock_resource "aws_sqs_queue" {
  defaults = { arn = "arn:aws:sqs:eu-west-1:111122223333:orders-events-dlq", id = "https://sqs/events-dlq", url = "https://sqs/events-dlq" }
}
