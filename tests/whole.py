"""Whole stacks on a local cloud for a session of tests: applied once.

Destroying five stacks takes two minutes of waits and shows nothing that destroying one does not: that one is destroyed
at the end, without a trace, and the others are forgotten with their cloud.

`--cloud FOLDER` keeps them there instead: the next run then starts in seconds, as one wants it while writing a test.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.local_cloud import LocalCloud


@contextmanager
def for_session(
    config: pytest.Config, temporary: pytest.TempPathFactory, name: str, examples: Sequence[str]
) -> Iterator[LocalCloud]:
    """Give a cloud with the stacks of these examples, in the folder `name` of where `--cloud` or pytest says."""
    kept = config.getoption("--cloud")
    with LocalCloud(Path(kept) / name if kept else temporary.mktemp(name), examples) as cloud:
        yield cloud
        if not kept and len(examples) == 1:
            destroy(cloud)


def destroy(cloud: LocalCloud) -> None:
    """Destroy the stacks, and look for what is left."""
    began_ms = time.time() * 1000
    cloud.stack.destroy()
    assert cloud.stack.resources() == []
    assert left_over(cloud, began_ms) == []


def left_over(cloud: LocalCloud, began_ms: float) -> list[Any]:
    """Return what the account still holds of the kinds of things that a stack is made of.

    The log group of a function that ran while it was being destroyed is not counted: MiniStack makes it again, by
    itself, to write down what that last run said.
    """
    groups = cloud.boto3("logs").describe_log_groups()["logGroups"]
    return [
        *(group for group in groups if group["creationTime"] < began_ms),
        *cloud.boto3("apigatewayv2").get_apis()["Items"],
        *cloud.boto3("cloudwatch").describe_alarms()["MetricAlarms"],
        *cloud.boto3("cloudwatch").list_dashboards()["DashboardEntries"],
        *cloud.boto3("dynamodb").list_tables()["TableNames"],
        *cloud.boto3("events").list_rules()["Rules"],
        *cloud.boto3("iam").list_roles()["Roles"],
        *cloud.boto3("lambda").list_event_source_mappings()["EventSourceMappings"],
        *cloud.boto3("lambda").list_functions()["Functions"],
        *cloud.boto3("s3").list_buckets()["Buckets"],
        *cloud.boto3("secretsmanager").list_secrets()["SecretList"],
        *cloud.boto3("sns").list_topics()["Topics"],
        *cloud.boto3("sqs").list_queues().get("QueueUrls", []),
        *cloud.boto3("ssm").describe_parameters()["Parameters"],
    ]
