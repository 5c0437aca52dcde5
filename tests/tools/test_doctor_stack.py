"""The preflight check of the functions, queues and limits: each fault is planted, and found with its fix."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs_dev.doctor import stack
from analysis_jobs_dev.doctor.findings import Level
from tests.tools.doctored import REGION, Scripted, a_stack, a_subject, bad, worker


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


def settings(total: int, free: int) -> tuple[str, dict[str, Any]]:
    limits = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free}
    return "get_account_settings", {"AccountLimit": limits}


@pytest.mark.parametrize(
    ("lanes", "total", "free", "levels"),
    [
        ({"medium": 50}, 1000, 1000, []),
        ({"medium": 50, "high": 60}, 1000, 100, [Level.PROBLEM]),
        ({"medium": 5}, 10, 10, [Level.WARNING]),
        ({"medium": None}, 1000, 1000, [Level.WARNING]),
    ],
)
def test_the_lanes_must_fit_the_quota_of_executions(
    lanes: dict[str, int | None], total: int, free: int, levels: list[Level]
) -> None:
    subject = a_subject(concurrency=lanes).answers("lambda", settings(total, free))
    assert [each.level for each in bad(stack.concurrency(subject))] == levels


@pytest.mark.parametrize(("characters", "levels"), [(1_000, []), (9_600, [Level.WARNING])])
def test_the_policies_of_a_role_are_measured(characters: int, levels: list[Level]) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="books-worker", AssumeRolePolicyDocument="{}")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + "b" * characters}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="books-worker", PolicyName="all", PolicyDocument=document)
    assert [each.level for each in bad(stack.policy_sizes(a_stack()))] == levels


def queue(visibility: int, *, dead_letters: bool = True) -> str:
    sqs = boto3.client("sqs", region_name=REGION)
    attributes: dict[Any, str] = {"VisibilityTimeout": str(visibility)}
    if dead_letters:
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    return sqs.create_queue(QueueName="books-medium", Attributes=attributes)["QueueUrl"]


def with_queue(url: str) -> Scripted:
    return a_stack(variables={"QUEUE_URLS": json.dumps({"medium": url})})


def test_time_limits_that_fit_are_in_order() -> None:
    assert bad(stack.time_limits(with_queue(queue(960)))) == []


@pytest.mark.parametrize(
    ("visibility", "dead_letters", "text"),
    [(600, True, "hides a message for 600 s"), (960, False, "has no dead-letter queue")],
)
def test_a_queue_that_does_not_fit_the_worker_is_a_problem(visibility: int, dead_letters: bool, text: str) -> None:
    [finding] = bad(stack.time_limits(with_queue(queue(visibility, dead_letters=dead_letters))))
    assert (finding.level, text in finding.message) == (Level.PROBLEM, True)


def test_a_missing_queue_is_a_problem() -> None:
    [finding] = bad(stack.time_limits(with_queue(f"https://sqs.{REGION}.amazonaws.com/123456789012/none")))
    assert (finding.level, "lane medium" in finding.message) == (Level.PROBLEM, True)


def test_an_api_that_runs_longer_than_the_gateway_waits_is_a_warning() -> None:
    api = worker(FunctionName="books-api", Timeout=60)
    [finding] = bad(stack.time_limits(a_subject(functions={"api": api})))
    assert (finding.level, "api.timeout_s" in finding.fix) == (Level.WARNING, True)
