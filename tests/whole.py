"""Whole stacks on a local cloud, applied once for a test session.

A cloud with one stack destroys it at the end, and checks that nothing is left. A cloud with several stacks only stops:
destroying five takes two minutes, and shows nothing more.

`--cloud FOLDER` keeps the stacks in that folder. The next run then starts in seconds, which helps while writing a test.
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
    """Yield a cloud with the stacks of these examples. Its folder is `name`, in `--cloud` or in a temporary folder."""
    kept = config.getoption("--cloud")
    with LocalCloud(Path(kept) / name if kept else temporary.mktemp(name), examples) as cloud:
        yield cloud
        if not kept and len(examples) == 1:
            destroy(cloud)


def destroy(cloud: LocalCloud) -> None:
    """Destroy the stacks, and check that no resource is left."""
    began_ms = time.time() * 1000
    cloud.stack.destroy()
    assert cloud.stack.resources() == []
    assert left_over(cloud, began_ms) == []


def left_over(cloud: LocalCloud, began_ms: float) -> list[Any]:
    """Return the resources in the account, of all types that a stack contains.

    Log groups created after `began_ms` are not counted. If a function runs while it is destroyed, MiniStack creates its
    log group again.
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
