"""The twenty lines of the README, planned as they stand: what they make, and what is joined to what."""

import json
import re

import pytest

from tests.modules.harness import ACCOUNT, REPOSITORY, Terraform, blocks
from tests.modules.planning import Plan, make_plan, write_package

README = (REPOSITORY / "modules" / "analysis-jobs" / "README.md").read_text("utf-8")
LINES = 20


def example() -> str:
    found = re.search(r"^```hcl\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    root = terraform.root / "stranger"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    (root / "main.tf").write_text(example(), encoding="utf-8")
    manifest = write_package(root / "dist") | {"commit": "unknown to the module", "files": {"count": 1}}
    (root / "dist" / "rfp-analysis-arm64.json").write_text(json.dumps(manifest), encoding="utf-8")
    return make_plan(terraform, root.name, account_url)


def test_the_readmes_example_is_short() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= LINES


def test_the_readmes_example_makes_a_whole_stack(plan: Plan) -> None:
    assert plan.kinds() == {
        "aws_apigatewayv2_api": 1,
        "aws_apigatewayv2_authorizer": 1,
        "aws_apigatewayv2_integration": 1,
        "aws_apigatewayv2_route": 8,
        "aws_apigatewayv2_stage": 1,
        "aws_cloudwatch_dashboard": 1,
        "aws_cloudwatch_event_rule": 1,
        "aws_cloudwatch_event_target": 1,
        "aws_cloudwatch_log_group": 5,
        "aws_cloudwatch_metric_alarm": 13,
        "aws_dynamodb_table": 2,
        "aws_iam_role": 4,
        "aws_iam_role_policy": 8,
        "aws_kms_alias": 1,
        "aws_kms_key": 1,
        "aws_lambda_alias": 4,
        "aws_lambda_event_source_mapping": 2,
        "aws_lambda_function": 4,
        "aws_lambda_function_event_invoke_config": 1,
        "aws_lambda_permission": 2,
        "aws_s3_bucket": 1,
        "aws_s3_bucket_lifecycle_configuration": 1,
        "aws_s3_bucket_ownership_controls": 1,
        "aws_s3_bucket_policy": 1,
        "aws_s3_bucket_public_access_block": 1,
        "aws_s3_bucket_server_side_encryption_configuration": 1,
        "aws_s3_bucket_versioning": 1,
        "aws_sns_topic": 1,
        "aws_sns_topic_policy": 1,
        "aws_sqs_queue": 3,
        "aws_sqs_queue_policy": 3,
        "aws_sqs_queue_redrive_allow_policy": 1,
        "aws_sqs_queue_redrive_policy": 1,
    }


@pytest.mark.parametrize(
    ("name", "handler", "timeout_s", "memory_mb"),
    [
        ("acme-proposals-api", "api.handler", 30, 512),
        ("acme-proposals-events", "events.handler", 60, 256),
        ("acme-proposals-sweeper", "sweeper.handler", 50, 512),
        ("acme-proposals-worker", "worker.handler", 900, 1024),
    ],
)
def test_each_function_has_its_handler_and_size(
    plan: Plan, name: str, handler: str, timeout_s: int, memory_mb: int
) -> None:
    function = plan.one("aws_lambda_function", function_name=name)
    assert (function["handler"], function["timeout"], function["memory_size"]) == (handler, timeout_s, memory_mb)
    assert function["architectures"] == ["arm64"]


@pytest.mark.parametrize(
    ("module", "argument", "sources"),
    [
        ("api_function", "statements", {"local.api_statements"}),
        ("events", "statements", {"local.event_statements"}),
        ("sweeper", "statements", {"local.sweeper_statements"}),
        ("worker", "statements", {"local.worker_statements"}),
        ("api_function", "environment", {"local.environment", "var.api.authorizer.tenant_claim"}),
        ("events", "environment", {"local.event_environment"}),
        ("sweeper", "environment", {"local.environment"}),
        ("worker", "environment", {"local.environment", "var.worker.environment", "var.worker.secrets"}),
        ("queue", "fifo", {"var.queue.fifo"}),
        ("queue", "max_receive_count", {"var.queue.max_receive_count"}),
        ("alarms", "api_id", {"module.api.id"}),
        ("api", "authorizer", {"var.api.authorizer"}),
        (
            "api",
            "function",
            {"module.api_function.name", "module.api_function.alias_name", "module.api_function.alias_invoke_arn"},
        ),
    ],
)
def test_each_part_is_given_what_is_its_own(plan: Plan, module: str, argument: str, sources: set[str]) -> None:
    references = plan.references("analysis_jobs", module, given=argument)
    # Terraform lists `var.api` beside `var.api.authorizer`: the longest ones say which attribute it is.
    longest = {each for each in references if not any(other.startswith(f"{each}.") for other in references)}
    assert longest == sources


def test_each_alarm_watches_what_this_stack_makes(plan: Plan) -> None:
    queues = {values["name"] for values in plan.of_type("aws_sqs_queue").values()}
    alarms = {values["alarm_name"]: values for values in plan.of_type("aws_cloudwatch_metric_alarm").values()}
    watched = {name: alarm["dimensions"] for name, alarm in alarms.items() if alarm.get("dimensions")}
    assert queues == {"acme-proposals-events-dlq", "acme-proposals-jobs", "acme-proposals-jobs-dlq"}
    assert watched == {
        "acme-proposals-dead-letter-age-medium": {"QueueName": "acme-proposals-jobs-dlq"},
        "acme-proposals-dead-letters-medium": {"QueueName": "acme-proposals-jobs-dlq"},
        "acme-proposals-event-dead-letters": {"QueueName": "acme-proposals-events-dlq"},
        "acme-proposals-events-late": {"FunctionName": "acme-proposals-events"},
        "acme-proposals-jobs-failed": {"service": "acme-proposals"},
        "acme-proposals-jobs-not-sent": {"service": "acme-proposals"},
        "acme-proposals-oldest-message-medium": {"QueueName": "acme-proposals-jobs"},
        "acme-proposals-sweep-errors": {"service": "acme-proposals"},
        "acme-proposals-sweeper-silent": {"service": "acme-proposals"},
        "acme-proposals-worker-duration": {"FunctionName": "acme-proposals-worker"},
        "acme-proposals-worker-errors": {"FunctionName": "acme-proposals-worker"},
        "acme-proposals-worker-throttles": {"FunctionName": "acme-proposals-worker"},
    }
    # The API's ID is not known before it exists.
    assert alarms.keys() - watched.keys() == {"acme-proposals-api-5xx"}


def test_the_standard_routes_all_ask_for_a_token(plan: Plan) -> None:
    routes = {
        values["route_key"]: values["authorization_type"] for values in plan.of_type("aws_apigatewayv2_route").values()
    }
    assert routes == dict.fromkeys(
        (
            "GET /jobs",
            "GET /jobs/{job_id}",
            "GET /jobs/{job_id}/files/{name}",
            "GET /openapi.json",
            "POST /jobs",
            "POST /jobs/{job_id}/cancel",
            "POST /jobs/{job_id}/retry",
            "POST /uploads",
        ),
        "JWT",
    )


def test_what_holds_data_is_protected_unless_told_otherwise(plan: Plan) -> None:
    tables = {
        values["name"]: values["deletion_protection_enabled"] for values in plan.of_type("aws_dynamodb_table").values()
    }
    bucket = plan.one("aws_s3_bucket", bucket=f"acme-proposals-artifacts-{ACCOUNT}-eu-west-1")
    assert tables == {"acme-proposals-jobs": True, "acme-proposals-prompts": True}
    assert bucket["force_destroy"] is False


def test_files_end_with_the_job_rows_and_their_old_versions_a_week_later(plan: Plan) -> None:
    [rules] = [values["rule"] for values in plan.of_type("aws_s3_bucket_lifecycle_configuration").values()]
    kept = {
        rule["id"]: (rule["expiration"][0]["days"], rule["noncurrent_version_expiration"][0]["noncurrent_days"])
        for rule in rules
        if rule["noncurrent_version_expiration"]
    }
    assert kept == {"jobs/": (30, 7), "uploads/": (30, 7)}


def test_a_lane_hides_its_messages_longer_than_a_worker_can_run(plan: Plan) -> None:
    queue = plan.one("aws_sqs_queue", name="acme-proposals-jobs")
    worker = plan.one("aws_lambda_function", function_name="acme-proposals-worker")
    assert queue["visibility_timeout_seconds"] == worker["timeout"] + 60


def test_the_deployment_repeats_every_output_but_the_policy() -> None:
    outputs = blocks((REPOSITORY / "modules" / "analysis-jobs" / "outputs.tf").read_text("utf-8"), "output")
    repeated = re.findall(r"^    (\w+) +=", outputs["deployment"], re.MULTILINE)
    assert repeated == [name for name in outputs if name not in {"deployment", "submit_policy_json"}]
