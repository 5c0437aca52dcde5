"""The three functions over AWS emulated by moto, configured by environment variables as the module does it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from moto import mock_aws

import api
import sweeper
import worker
from tests.handlers.aws import REGION, client, create_job_table
from tests.handlers.events import Context, sqs_record

BUCKET = "aj-artifacts"
QUEUE = "aj-jobs"
MODEL_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
_HANDLERS = (api._api, worker._worker, sweeper._sweeper)  # noqa: SLF001 - what an execution environment keeps


@dataclass(frozen=True)
class Deployment:
    """A deployed stack. `queue_urls` are by lane."""

    queue_urls: Mapping[str, str]

    def messages(self, priority: str = "medium") -> list[dict[str, Any]]:
        """Receive the messages of a lane, as Lambda's poller does, and return them as event records."""
        url = self.queue_urls[priority]
        found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [
            sqs_record(message["Body"], number, queue=url.rsplit("/", 1)[-1], receipt=message["ReceiptHandle"])
            for number, message in enumerate(found)
        ]

    def work(self, *records: Mapping[str, Any]) -> list[str]:
        """Invoke the worker with these records, or with those in the queue. Return the ids of the failed items."""
        event = {"Records": list(records) or self.messages()}
        answer = json.loads(json.dumps(worker.handler(event, Context())))
        return [failed["itemIdentifier"] for failed in answer["batchItemFailures"]]

    def sweep(self) -> Any:
        """Invoke the sweeper as EventBridge does."""
        event = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
        return json.loads(json.dumps(sweeper.handler(event, Context())))

    def upload(self, fields: Mapping[str, str], content: bytes) -> None:
        """Upload a file with the form of `POST /uploads`, as a browser does."""
        client("s3").put_object(Bucket=BUCKET, Key=fields["key"], Body=content, ContentType=fields["Content-Type"])


@contextmanager
def deployed(model_url: str = "http://127.0.0.1:9", *lanes: str) -> Iterator[Deployment]:
    """Deploy `rfp-analysis` with the model at `model_url`. `lanes` are FIFO lanes beside the lane `medium`."""
    with mock_aws():
        create_job_table(client("dynamodb"), "aj-jobs")
        create_prompt_table(client("dynamodb"), "aj-prompts")
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        create_queue = client("sqs").create_queue
        urls = {"medium": create_queue(QueueName=QUEUE)["QueueUrl"]}
        for priority in lanes:
            fifo = create_queue(QueueName=f"{QUEUE}-{priority}.fifo", Attributes={"FifoQueue": "true"})
            urls[priority] = fifo["QueueUrl"]
        variables = {
            "ANALYSES": "rfp_analysis",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": model_url,
            "BUCKET_NAME": BUCKET,
            "CODE_VERSION": "v7",
            "MODEL_ID": MODEL_ID,
            "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
            "POWERTOOLS_SERVICE_NAME": "tests",
            "PROMPT_TABLE_NAME": "aj-prompts",
            "QUEUE_URLS": json.dumps(urls),
            "TABLE_NAME": "aj-jobs",
        }
        with patch.dict(os.environ, variables):
            _forget()
            yield Deployment(urls)
            _forget()


def create_prompt_table(dynamodb: Any, name: str) -> None:
    """Create a table with the keys of the module's prompt table."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("prompt", "item")],
        KeySchema=[{"AttributeName": "prompt", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
    )


def _forget() -> None:
    for handler in _HANDLERS:
        handler.cache_clear()
