"""Three functions of the real package, each in AWS's own runtime client, with a small AWS: queue, tables, bucket.

The local cloud runs functions in its own interpreter, without a limit on memory. Here the process is the one
that Lambda runs, and it dies as it does there.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud import ministack, ports
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.aws import create_job_table
from tests.handlers.events import http_event, sqs_record
from tests.runtime.lambda_runtime import Answer, Function, LambdaRuntime
from tests.system.watching import until

REPOSITORY = Path(__file__).resolve().parents[2]
LEASE_S = 2.0
MODEL_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@contextmanager
def small_aws(folder: Path) -> Iterator[tuple[Connection, StandIn]]:
    """Run an AWS with a table, a bucket and a queue in it, and a stand-in for Bedrock."""
    trusted = certificates(folder / "certificates")
    aws = ministack.MiniStack(interpreter(), folder, trusted, ports.free_ports(1)[0])
    with StandIn() as stand_in:
        aws.start()
        try:
            connection = Connection("", "", aws.url, stand_in.url, str(trusted.bundle), {})
            create_job_table(connection.boto3("dynamodb"), "jobs")
            connection.boto3("s3").create_bucket(
                Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": ministack.REGION}
            )
            connection.boto3("dynamodb").create_table(
                TableName="prompts",
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("prompt", "item")],
                KeySchema=[
                    {"AttributeName": "prompt", "KeyType": "HASH"},
                    {"AttributeName": "item", "KeyType": "RANGE"},
                ],
            )
            connection.boto3("sqs").create_queue(QueueName="jobs")
            yield connection, stand_in
        finally:
            aws.stop()


@dataclass
class SmallStack:
    """The functions of a stack. Replacing `worker` by one with other limits is a deployment."""

    connection: Connection
    api: LambdaRuntime
    sweeper: LambdaRuntime
    worker: LambdaRuntime

    def submit(self, document: bytes) -> str:
        """Upload a document, submit a job about it, and return the job's id."""
        name = "00000000000000000000000000/call.pdf"
        self.connection.boto3("s3").put_object(Bucket="artifacts", Key=f"uploads/acme/{name}", Body=document)
        return self.submit_to("rfp-analysis", {"document": name})

    def submit_to(self, analysis: str, given: dict[str, Any]) -> str:
        """Submit a job, and return its id."""
        return str(self.call("POST", "/jobs", {"analysis": analysis, "input": given})["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"/jobs/{job_id}")

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request through the API function."""
        event = http_event(method, path, json.dumps(body) if body else None, claims={"tenant": "acme"})
        answer = self.api.invoke(event).value
        assert answer["statusCode"] < 300, answer
        content: dict[str, Any] = json.loads(answer["body"])
        return content

    def work(self) -> Answer:
        """Invoke the worker with the next message, and delete the message if that succeeds, as Lambda's poller does."""
        sqs = self.connection.boto3("sqs")
        url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
        [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
        record = sqs_record(message["Body"], receipt=message["ReceiptHandle"])
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        answer = self.worker.invoke({"Records": [{**record, "eventSourceARN": arn}]})
        if answer.value == {"batchItemFailures": []}:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return answer

    def forget_messages(self) -> None:
        """Empty the queue: the messages of killed runs would come back in the next test."""
        sqs = self.connection.boto3("sqs")
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName="jobs")["QueueUrl"])

    def sweep_until(self, step: str) -> None:
        """Sweep until a sweep takes this step. The lease must expire first."""
        until(lambda: self.sweeper.invoke({}).value.get(step))


def function(connection: Connection, task_root: Path, name: str, *, timeout_s: float, memory_mb: int) -> Function:
    """Return a function of the package, with these limits and short leases."""
    url = connection.boto3("sqs").get_queue_url(QueueName="jobs")["QueueUrl"]
    environment = {
        "AWS_CA_BUNDLE": connection.ca_bundle,
        "AWS_ENDPOINT_URL": connection.aws_url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": connection.stand_in_url,
        "ANALYSES": "rfp_analysis,greedy",
        "TABLE_NAME": "jobs",
        "PROMPT_TABLE_NAME": "prompts",
        "BUCKET_NAME": "artifacts",
        "QUEUE_URLS": json.dumps({"medium": url}),
        "CODE_VERSION": "under-test",
        "LEASE_S": str(LEASE_S),
        "HEARTBEAT_S": str(LEASE_S / 4),
        # Long enough to write the end of a run on a busy machine, where the time allows it.
        "STOP_MARGIN_S": "1.5" if timeout_s >= 5 else "0.2",
        "MODEL_ID": MODEL_ID,
        "POWERTOOLS_SERVICE_NAME": "under-test",
        "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
    }
    return Function(task_root, f"{name}.handler", timeout_s, memory_mb, environment)
