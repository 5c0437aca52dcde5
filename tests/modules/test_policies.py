"""What the policies of the modules allow and deny, evaluated as IAM does."""

import json
import re
from typing import Any

import pytest

from analysis_jobs.events.publisher import SOURCE
from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.iam import allows, denies

SQS = "arn:aws:sqs:eu-west-1:111122223333"
LOGS = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda"
LAMBDA = "arn:aws-cn:lambda:cn-north-1:111122223333:function"  # the partition of the run `everything_set`
OVER_TLS = {"aws:SecureTransport": "true"}
IN_THE_CLEAR = {"aws:SecureTransport": "false"}


def policy(terraform: Terraform, module: str, run: str, address: str) -> str:
    planned = terraform.test(f"modules/{module}/tests/{module}.tftest.hcl")[run].planned
    text: str = planned[address]["policy"]
    return text


@pytest.fixture(scope="module")
def rights(terraform: Terraform) -> dict[str, str]:
    """Return the policies of the function's role in the run `everything_set`, by name."""
    return {
        name: policy(terraform, "function", "everything_set", f"aws_iam_role_policy.{address}")
        for name, address in {"runtime": "runtime", "statements": "statements[0]"}.items()
    }


@pytest.mark.parametrize(
    ("module", "address", "action", "resource"),
    [
        ("queue", "aws_sqs_queue_policy.this", "sqs:SendMessage", f"{SQS}:rfp-jobs"),
        ("queue", "aws_sqs_queue_policy.this", "sqs:ReceiveMessage", f"{SQS}:rfp-jobs"),
        ("queue", "aws_sqs_queue_policy.dead_letter", "sqs:SendMessage", f"{SQS}:rfp-jobs-dlq"),
        ("queue", "aws_sqs_queue_policy.dead_letter", "sqs:ReceiveMessage", f"{SQS}:rfp-jobs-dlq"),
        ("artifact-bucket", "aws_s3_bucket_policy.this", "s3:ListBucket", "arn:aws:s3:::rfp-artifacts"),
        ("artifact-bucket", "aws_s3_bucket_policy.this", "s3:GetObject", "arn:aws:s3:::rfp-artifacts/jobs/1"),
    ],
)  # fmt: skip
def test_nothing_goes_in_the_clear(module: str, address: str, action: str, resource: str, terraform: Terraform) -> None:
    runs = terraform.test(f"modules/{module}/tests/{module}.tftest.hcl")
    for run in (name for name in runs if name.startswith("a_") and "fifo" not in name):
        text = policy(terraform, module, run, address)
        assert denies(text, action, resource, IN_THE_CLEAR)
        assert not denies(text, action, resource, OVER_TLS)
        assert {statement["Principal"] for statement in json.loads(text)["Statement"]} == {"*"}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("logs:PutLogEvents", f"{LOGS}/rfp-worker:log-stream:2026/01/01", True),
        ("logs:CreateLogStream", f"{LOGS}/rfp-worker:log-stream:2026/01/01", True),
        ("logs:PutLogEvents", f"{LOGS}/rfp-worker-2:log-stream:2026/01/01", False),
        ("logs:CreateLogGroup", f"{LOGS}/rfp-worker", False),
        ("logs:CreateLogGroup", f"{LOGS}/rfp-worker:*", False),
        ("logs:GetLogEvents", f"{LOGS}/rfp-worker:log-stream:2026/01/01", False),
    ],
)
def test_a_function_writes_to_its_own_log_alone(
    action: str, resource: str, rights: dict[str, str], *, allowed: bool
) -> None:
    assert allows(rights["runtime"], action, resource) is allowed


@pytest.mark.parametrize(
    "action",
    [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ],
)
def test_in_a_vpc_lambda_manages_network_interfaces_and_the_code_does_not(action: str, rights: dict[str, str]) -> None:
    by_the_code = {"lambda:SourceFunctionArn": f"{LAMBDA}:rfp-worker"}
    assert allows(rights["runtime"], action, "*")
    assert not allows(rights["runtime"], action, "*", by_the_code)


def test_outside_of_a_vpc_a_function_has_no_such_right(terraform: Terraform) -> None:
    text = policy(terraform, "function", "a_function_with_its_defaults", "aws_iam_role_policy.runtime")
    assert [statement["Sid"] for statement in json.loads(text)["Statement"]] == ["OwnLogs"]


def test_a_role_has_exactly_the_statements_handed_in(rights: dict[str, str]) -> None:
    assert statements(rights["statements"]) == {
        "DueRead": {
            "Effect": "Allow",
            "Action": ["dynamodb:Query"],
            "Resource": ["arn:aws:dynamodb:eu-west-1:111122223333:table/rfp-jobs/index/due"],
        },
        "UploadsWrite": {
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": ["arn:aws:s3:::rfp-artifacts/uploads/*"],
            "Condition": {
                "Bool": {"aws:SecureTransport": ["true"]},
                "StringEquals": {
                    "s3:x-amz-acl": ["private"],
                    "s3:x-amz-server-side-encryption": ["AES256", "aws:kms"],
                },
            },
        },
    }


def statements(text: str) -> dict[str, dict[str, Any]]:
    """Return the statements of a policy, without their Sid, by the Sid."""
    return {statement.pop("Sid"): statement for statement in json.loads(text)["Statement"]}


def test_the_events_role_names_the_source_that_the_library_publishes() -> None:
    policies = (REPOSITORY / "modules" / "analysis-jobs" / "iam.tf").read_text(encoding="utf-8")
    assert re.findall(r'^  event_source = "(.*)"$', policies, re.MULTILINE) == [SOURCE]
