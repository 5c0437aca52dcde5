"""The call of a queue-and-worker module, translated as docs/import/from-analysis-worker.md shows it, and planned."""

import json
import re

import pytest

from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.iam import allows
from tests.modules.planning import Plan, make_plan

PAGE = (REPOSITORY / "docs" / "import" / "from-analysis-worker.md").read_text("utf-8")
# The variables of https://github.com/markthebest12/bluemoxon/blob/166afbd/infra/terraform/modules/analysis-worker/variables.tf
THEIRS = [
    *("api_lambda_role_name", "bedrock_model_ids", "environment", "environment_variables", "handler"),
    *("log_retention_days", "max_receive_count", "memory_size", "name_prefix", "reserved_concurrency", "runtime"),
    *("s3_bucket", "s3_bucket_arns", "s3_key", "secrets_arns", "security_group_ids", "subnet_ids", "tags", "timeout"),
    "visibility_timeout",
]
# The rest of their root, as far as the call needs it, with the values of their staging stack.
ROOT = """
locals {
  name_prefix          = "books-staging"
  api_lambda_role_name = "books-staging-api-exec-role"
  security_group_id    = "sg-0a"
  common_tags          = { Application = "books", Environment = "staging", ManagedBy = "terraform" }
  bedrock_model_ids = [
    "anthropic.claude-3-5-haiku-20241022-v1:0",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-opus-4-6-v1",
  ]
}

variable "environment" {
  type    = string
  default = "staging"
}

variable "package" {
  type    = object({ version = string, sha256_base64 = string })
  default = { version = "v7", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
}

variable "private_subnet_ids" {
  type    = list(string)
  default = ["subnet-0a", "subnet-0b"]
}

variable "scraper_arn" {
  type    = string
  default = "arn:aws:lambda:eu-west-1:111122223333:function:books-staging-scraper"
}

module "artifacts_bucket" {
  source = "./buckets"
}

module "images_bucket" {
  source = "./buckets"
}

output "stack" {
  value = module.analysis.names
}
"""
BUCKETS = """
output "bucket_id" {
  value = "books-artifacts-staging"
}

output "bucket_name" {
  value = "books-images-staging"
}

output "bucket_arn" {
  value = "arn:aws:s3:::books-images-staging"
}
"""


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    [shown] = re.findall(r"^```hcl\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    root = terraform.root / "from-analysis-worker"
    (root / "buckets").mkdir(parents=True)
    (root / "modules").symlink_to(terraform.root / "modules")
    (root / "main.tf").write_text(shown + ROOT, encoding="utf-8")
    (root / "buckets" / "outputs.tf").write_text(BUCKETS, encoding="utf-8")
    return make_plan(terraform, root.name, account_url)


def test_the_page_has_a_home_for_every_variable_of_theirs() -> None:
    table = PAGE.partition("## Every variable")[2].partition("What their module fixes")[0]
    listed = [name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in row.split("`")[1::2]]
    assert sorted(listed) == sorted(THEIRS)


def test_queues_worker_role_and_log_have_their_names(plan: Plan) -> None:
    queues = {values["name"] for values in plan.of_type("aws_sqs_queue").values()}
    logs = {values["name"] for values in plan.of_type("aws_cloudwatch_log_group").values()}
    roles = {values["name"] for values in plan.of_type("aws_iam_role").values()}
    assert {"books-staging-analysis-jobs", "books-staging-analysis-jobs-dlq"} <= queues
    assert plan.one("aws_lambda_function", function_name="books-staging-analysis-worker")
    assert "/aws/lambda/books-staging-analysis-worker" in logs
    assert "books-staging-analysis-worker-exec-role" in roles
    assert plan.outputs["stack"]["functions"]["worker"] == "books-staging-analysis-worker"


def test_nothing_has_the_name_of_their_own_api(plan: Plan) -> None:
    functions = {values["function_name"] for values in plan.of_type("aws_lambda_function").values()}
    assert functions == {f"books-staging-analysis-{name}" for name in ("events", "sweeper", "worker")}
    assert [kind for kind in plan.resources if "aws_apigatewayv2" in kind] == []


def test_the_worker_has_their_sizes_network_and_variables(plan: Plan) -> None:
    worker = plan.one("aws_lambda_function", function_name="books-staging-analysis-worker")
    assert (worker["timeout"], worker["memory_size"], worker["reserved_concurrent_executions"]) == (600, 1024, -1)
    assert worker["tracing_config"] == [{"mode": "Active"}]
    assert sorted(worker["vpc_config"][0]["subnet_ids"]) == ["subnet-0a", "subnet-0b"]
    assert worker["vpc_config"][0]["security_group_ids"] == ["sg-0a"]
    assert worker["tags"] == {"Application": "books", "Environment": "staging", "ManagedBy": "terraform"}
    log = plan.one("aws_cloudwatch_log_group", name="/aws/lambda/books-staging-analysis-worker")
    assert log["retention_in_days"] == 14


def test_the_code_is_one_version_of_one_object(plan: Plan) -> None:
    worker = plan.one("aws_lambda_function", function_name="books-staging-analysis-worker")
    assert worker["filename"] is None
    assert (worker["s3_bucket"], worker["s3_key"]) == ("books-artifacts-staging", "lambda/analysis-arm64.zip")
    assert worker["s3_object_version"] == "v7"
    assert worker["source_code_hash"] == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_the_queue_has_their_timeouts(plan: Plan) -> None:
    queue = plan.one("aws_sqs_queue", name="books-staging-analysis-jobs")
    dead_letters = plan.one("aws_sqs_queue", name="books-staging-analysis-jobs-dlq")
    [mapping] = [
        values for address, values in plan.of_type("aws_lambda_event_source_mapping").items() if ".lane[" in address
    ]
    assert (queue["visibility_timeout_seconds"], queue["message_retention_seconds"]) == (660, 345600)
    assert (queue["receive_wait_time_seconds"], dead_letters["message_retention_seconds"]) == (20, 1209600)
    assert (mapping["batch_size"], mapping["function_response_types"]) == (1, ["ReportBatchItemFailures"])


def test_the_api_of_theirs_gets_the_rights_to_submit_and_read(plan: Plan) -> None:
    [policy] = [
        each
        for each in plan.text["configuration"]["root_module"]["resources"]
        if each["address"] == "aws_iam_role_policy.jobs"
    ]
    assert "module.analysis.policies" in policy["expressions"]["policy"]["references"]
    for need in ("read", "submit"):
        assert plan.resources[f'aws_iam_role_policy.jobs["{need}"]']["role"] == "books-staging-api-exec-role"


def test_the_pattern_of_the_secret_matches_its_random_suffix_alone() -> None:
    [pattern] = re.findall(r'DATABASE_SECRET_ARN = "(.*?)"', PAGE)
    policy = json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": pattern}]}
    )
    secret = pattern.removesuffix("-??????")
    assert allows(policy, "secretsmanager:GetSecretValue", f"{secret}-AbCdEf")
    assert not allows(policy, "secretsmanager:GetSecretValue", f"{secret}-admin-AbCdEf")
