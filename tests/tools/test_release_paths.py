"""A canary reaches a stack without an API through its table. The project's code is not imported."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.base.clock import SystemClock
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.paths import IntoTheTable

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return clients of a stack's parts: a table, a bucket, a lane and the lane of canaries."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        names = ("dynamodb", "s3", "sqs")
        clients: dict[str, Any] = {name: boto3.client(name, region_name=REGION) for name in names}  # type: ignore[call-overload]
        clients["dynamodb"].create_table(
            TableName="jobs",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("tenant", "item")],
            KeySchema=[{"AttributeName": "tenant", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
        clients["s3"].create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": REGION})
        clients["urls"] = {name: clients["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("jobs", "canary")}
        yield clients


def path_into(aws: dict[str, Any], **prompts: int) -> IntoTheTable:
    environment = {
        "ANALYSIS_JOBS_ANALYSES": "letter_summary",  # a module that does not exist here
        "ANALYSIS_JOBS_BUCKET_NAME": "files",
        "ANALYSIS_JOBS_JOB_RETENTION_DAYS": "30",
        "ANALYSIS_JOBS_QUEUE_URLS": json.dumps({"medium": aws["urls"]["jobs"]}),
        "ANALYSIS_JOBS_SERVICE_NAME": "letters",
        "ANALYSIS_JOBS_TABLE_NAME": "jobs",
    }
    return IntoTheTable(environment, aws["urls"]["canary"], aws.__getitem__, SystemClock(), prompts)


def test_a_canary_is_a_row_and_a_message_in_its_own_lane(aws: dict[str, Any], tmp_path: Path) -> None:
    path, file = path_into(aws, **{"letters/summarise": 3}), tmp_path / "a letter.txt"
    file.write_text("Dear museum", "utf-8")
    document = path.upload(file)
    job_id = path.submit({"analysis": "letter-summary", "input": {"document": document}, "subject": None})
    row = aws["dynamodb"].get_item(TableName="jobs", Key={"tenant": {"S": "_canary"}, "item": {"S": f"job#{job_id}"}})
    item = row["Item"]
    assert (item["lane"]["S"], item["prompt_versions"]["M"]) == ("canary", {"letters/summarise": {"N": "3"}})
    [message] = aws["sqs"].receive_message(QueueUrl=aws["urls"]["canary"])["Messages"]
    assert json.loads(message["Body"]) == {"job_id": job_id, "tenant": "_canary"}
    assert "Messages" not in aws["sqs"].receive_message(QueueUrl=aws["urls"]["jobs"])
    stored = aws["s3"].get_object(Bucket="files", Key=f"uploads/_canary/{document}")
    assert (stored["Body"].read(), stored["ContentType"]) == (b"Dear museum", "text/plain")
    assert (path.job(job_id)["status"], path.job(job_id)["result"], path.job(job_id)["cost_usd"]) == (
        "queued",
        None,
        0.0,
    )
    path.cancel(job_id)
    assert path.job(job_id)["status"] == "cancelled"


def test_a_canary_that_has_expired_is_missed(aws: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError, match="is not in the table any more"):
        path_into(aws).job("01j00000000000000000000000")
