"""The call that docs/import/bring-your-own.md shows, planned: everything that a stack can bring along."""

import json
import re
from typing import Any

import pytest

from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.planning import Plan, make_plan

PAGE = (REPOSITORY / "docs" / "import" / "bring-your-own.md").read_text("utf-8")
FUNCTIONS = [f"acme-prod-{name}" for name in ("api", "events", "sweeper", "worker")]
PAGER, CHAT = (f"arn:aws:sns:eu-west-1:111122223333:{name}" for name in ("pager", "chat"))


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    [shown] = re.findall(r"^```hcl\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    root = terraform.root / "bring-your-own"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    policy = 'output "key_policy" {\n  value = aws_kms_key.acme.policy\n}\n'
    settings = 'output "bucket_settings" {\n  value = module.analysis_jobs.bucket_settings\n}\n'
    (root / "main.tf").write_text(shown + policy + settings, encoding="utf-8")
    return make_plan(terraform, root.name, account_url)


@pytest.fixture(scope="module")
def functions(plan: Plan) -> dict[str, dict[str, Any]]:
    return {values["function_name"]: values for values in plan.of_type("aws_lambda_function").values()}


def test_there_is_no_bucket_no_topic_and_no_key_but_the_given_ones(plan: Plan) -> None:
    assert plan.of_type("aws_s3_bucket") == {}
    assert plan.of_type("aws_sns_topic") == {}
    assert list(plan.of_type("aws_kms_key")) == ["aws_kms_key.acme"]


def test_the_key_of_the_same_root_has_the_statements_of_the_module(plan: Plan) -> None:
    statements = {each["Sid"]: each for each in json.loads(plan.outputs["key_policy"])["Statement"]}
    assert statements.keys() == {"AccountDecidesByIam", "LogsOfThisAccount", "MessagesOfThisAccount"}
    assert statements["LogsOfThisAccount"]["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}


def test_nothing_is_left_to_a_key_that_aws_manages(plan: Plan) -> None:
    """The ARN of the key is unknown in this plan, so the attributes that use it are missing."""
    managed = {
        address
        for kind, attribute in (("aws_sqs_queue", "sqs_managed_sse_enabled"),)
        for address, values in plan.of_type(kind).items()
        if values.get(attribute)
    }
    assert managed == set()
    encrypted = {
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_lambda_function": "kms_key_arn",
        "aws_sqs_queue": "kms_master_key_id",
    }
    unknown = {
        change["address"]: change["change"]["after_unknown"]
        for change in plan.text["resource_changes"]
        if change["type"] in encrypted
    }
    assert len(unknown) == 4 + 1 + 4 + 7
    assert [
        address
        for address, values in unknown.items()
        if values.get(encrypted[address.rpartition(".")[0].rpartition(".")[2]]) is not True
    ] == []


def test_every_function_has_the_common_settings(functions: dict[str, dict[str, Any]]) -> None:
    assert sorted(functions) == FUNCTIONS
    for function in functions.values():
        assert function["code_signing_config_arn"].endswith("csc-0a1b2c3d4e5f6a7b8")
        assert function["layers"] == ["arn:aws:lambda:eu-west-1:111122223333:layer:company-certificates:3"]
        assert sorted(function["vpc_config"][0]["subnet_ids"]) == ["subnet-0a", "subnet-0b"]
        assert function["tracing_config"] == [{"mode": "Active"}]
        assert function["logging_config"][0]["application_log_level"] == "INFO", "Lambda would drop metrics below it"
        assert function["s3_object_version"] == "3sL4kqtJlcpXroDTDmJ"


def test_concurrency_and_snapshots_are_those_of_each_function(functions: dict[str, dict[str, Any]]) -> None:
    reserved = {name: values["reserved_concurrent_executions"] for name, values in functions.items()}
    assert reserved == dict(zip(FUNCTIONS, (-1, 5, 1, -1), strict=True))
    assert [name for name, values in functions.items() if values["snap_start"]] == ["acme-prod-api"]


def test_the_roles_have_path_prefix_and_boundary(plan: Plan) -> None:
    roles = list(plan.of_type("aws_iam_role").values())
    assert sorted(role["name"] for role in roles) == [f"team-{name}-eu-west-1" for name in FUNCTIONS]
    assert {(role["path"], role["permissions_boundary"]) for role in roles} == {
        ("/teams/proposals/", "arn:aws:iam::111122223333:policy/team-boundary")
    }


def test_the_functions_use_the_bucket_below_its_prefix(plan: Plan) -> None:
    """The environment has the URL of the queue, which is unknown, so the bucket is read from the outputs."""
    assert plan.outputs["bucket_settings"]["lifecycle_rules"] == {
        f"analysis/{name}/": {"expire_after_days": 30, "noncurrent_after_days": 7} for name in ("jobs", "uploads")
    }


def test_a_lane_has_pollers_of_its_own(plan: Plan) -> None:
    lanes = {
        address.rpartition('["')[2].removesuffix('"]'): values
        for address, values in plan.of_type("aws_lambda_event_source_mapping").items()
        if ".lane[" in address
    }
    assert lanes["high"]["provisioned_poller_config"] == [{"maximum_pollers": 10, "minimum_pollers": 2}]
    assert lanes["medium"]["provisioned_poller_config"] == []
    assert lanes["medium"]["scaling_config"] == [{"maximum_concurrency": 5}]


def test_alarms_go_to_the_topic_of_their_severity(plan: Plan) -> None:
    alarms = {
        values["alarm_name"].removeprefix("acme-prod-"): values["alarm_actions"]
        for values in plan.of_type("aws_cloudwatch_metric_alarm").values()
    }
    warnings = [name for name, actions in alarms.items() if actions == [CHAT]]
    assert sorted(warnings) == [
        "api-refused", "database-logins-refused",
        "events-late", "jobs-failed", "oldest-message-high", "oldest-message-medium", "worker-duration",
    ]  # fmt: skip
    assert {tuple(actions) for name, actions in alarms.items() if name not in warnings} == {(PAGER,)}
    named = re.findall(r"`([a-z-]+)(?:…)?`", PAGE.partition("the slower ones:")[2].partition(". ")[0])
    assert {next(name for name in named if warning.startswith(name)) for warning in warnings} == set(named)
