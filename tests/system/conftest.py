"""One local cloud for all system tests: applied once, at the end destroyed, and then there must be nothing left."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cloud.local_cloud import LocalCloud


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Give the running cloud, with the stack of the first example; every test leaves it running."""
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud
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
        *cloud.boto3("sns").list_topics()["Topics"],
        *cloud.boto3("sqs").list_queues().get("QueueUrls", []),
    ]
