"""A local AWS for the fault tests: MiniStack, the stand-in for the models, a fault-injecting proxy, and processes.

Terraform does not apply the stack here, because that takes a minute. The tests need only a table, two queues and a
bucket like the module's, and each test sets them differently.

The functions run in processes of the test and not in MiniStack, for two reasons. MiniStack gives its functions its own
endpoint, so no proxy could be placed between. And one thread of MiniStack polls all queues, and pauses when a function
is killed. `worker_process` receives in place of the event source mapping.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import boto3

from analysis_jobs import wiring
from analysis_jobs.authoring.analysis import load_analyses
from analysis_jobs.base import settings as configuration
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.jobs import dispatch
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import from_item
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs_dev.cloud import ministack
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY
from analysis_jobs_dev.cloud.ministack import MiniStack
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.faults.chaos import ChaosProxy
from tests.faults.worker_process import DEFAULT_LEASE_S, Task
from tests.handlers.aws import create_job_table

TENANT = "acme"
TABLE, BUCKET, QUEUE = "faults-jobs", "faults-artifacts", "faults-jobs"
MAX_RECEIVES = 3


class LocalAws:
    """`with LocalAws(folder, lease_s=3) as aws`: runs the servers and processes until the block is left."""

    def __init__(
        self,
        folder: Path,
        *,
        lease_s: float = 3.0,
        heartbeat_s: float = 0.75,
        visibility_s: int = 18,
        seed: int = 1,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.lease_s = lease_s
        self._visibility_s = visibility_s
        self._seed = seed
        self._environment = {
            "ANALYSES": "tests.faults.analyses",
            "BUCKET_NAME": BUCKET,
            "CODE_VERSION": "v1",
            "HEARTBEAT_S": str(heartbeat_s),
            "LEASE_S": str(lease_s),
            "STOP_MARGIN_S": "0.75",
            "TABLE_NAME": TABLE,
            **environment,
        }
        self._open = ExitStack()
        self.stand_in: StandIn
        self.proxy: ChaosProxy
        self.fleet: Fleet

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self) -> None:
        trusted = certificates(self.folder / "certificates")
        [port] = free_ports(1)
        cloud = MiniStack(interpreter(), self.folder, trusted, port)
        self.stand_in = self._open.enter_context(StandIn())
        self._open.callback(cloud.stop)
        cloud.start()
        self._connection = Connection("", "", cloud.url, self.stand_in.url, str(trusted.bundle), {})
        self.proxy = self._open.enter_context(ChaosProxy(cloud.url, trusted.bundle, self._seed))
        self._create()
        self.fleet = self._open.enter_context(Fleet(self))

    def _create(self) -> None:
        dynamodb = self.client("dynamodb")
        create_job_table(dynamodb, TABLE)
        view = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        dynamodb.update_table(TableName=TABLE, StreamSpecification=view)
        where = {"LocationConstraint": ministack.REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.dead_letter_url = self.client("sqs").create_queue(QueueName=f"{QUEUE}-dlq")["QueueUrl"]
        arn = f"arn:aws:sqs:{ministack.REGION}:000000000000:{QUEUE}-dlq"
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
        attributes = {"VisibilityTimeout": str(self._visibility_s), "RedrivePolicy": redrive}
        self.queue_url = self.client("sqs").create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]

    @property
    def url(self) -> str:
        """MiniStack's URL."""
        return self._connection.aws_url

    @property
    def bundle(self) -> str:
        """The path of the CA bundle for MiniStack's certificate."""
        return self._connection.ca_bundle

    def client(self, service: str) -> Any:
        """Return a client without injected faults."""
        return self._connection.boto3(service)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the functions. Their AWS endpoint is the proxy."""
        return {
            **ministack.ROOT_CREDENTIALS,
            "AWS_DEFAULT_REGION": ministack.REGION,
            "AWS_CA_BUNDLE": self.bundle,
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.stand_in.url,
            "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
            "POWERTOOLS_SERVICE_NAME": "faults",
            "QUEUE_URLS": json.dumps({"medium": self.queue_url}),
            **self._environment,
        }

    @property
    def scale(self) -> float:
        """The factor by which all times are shorter than the defaults."""
        return DEFAULT_LEASE_S / self.lease_s

    @cached_property
    def store(self) -> DynamoJobStore:
        """The job store, without injected faults."""
        return DynamoJobStore(self.client("dynamodb"), TABLE, SystemClock())

    @cached_property
    def settings(self) -> configuration.Settings:
        """The functions' settings."""
        return configuration.from_environment(self.variables)

    @cached_property
    def _queue(self) -> SqsJobQueue:
        return SqsJobQueue(self.client("sqs"), self.settings.queue_urls)

    @cached_property
    def control(self) -> JobControl:
        """Cancels and retries jobs, without injected faults."""
        analyses = load_analyses(self.settings.analyses)
        return JobControl(
            self.store,
            self._queue,
            S3ArtifactStore(self.client("s3"), self.settings.bucket_name),
            analyses,
            self.settings,
            SystemClock(),
        )

    @cached_property
    def _faulty_submissions(self) -> SubmissionService:
        def client(service: str, config: Any = wiring._STORE_CONFIG) -> Any:  # noqa: SLF001 - the configuration of the API function
            given = ministack.ROOT_CREDENTIALS
            session: Any = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
            return session.client(service, config=config, endpoint_url=self.proxy.url, region_name=ministack.REGION)

        return SubmissionService(
            DynamoJobStore(client("dynamodb"), TABLE, SystemClock()),
            SqsJobQueue(client("sqs"), self.settings.queue_urls),
            S3ArtifactStore(client("s3", wiring._S3_CONFIG), BUCKET),  # noqa: SLF001
            load_analyses(self.settings.analyses),
            self.settings,
            SystemClock(),
        )

    def submit(self, number: int, analysis: str = "valuation") -> JobKey:
        """Submit a job through the proxy, and repeat with the same idempotency key until it is accepted."""
        wanted = Submission(analysis=analysis, input={"number": number})
        grace = timedelta(seconds=120 / self.scale)
        for _ in range(50):
            try:
                with patch.object(dispatch, "SEND_GRACE", grace):
                    job = self._faulty_submissions.submit(TENANT, wanted, f"lot-{number}")
            except Exception:  # noqa: BLE001 - the API would answer 500
                time.sleep(0.2)
            else:
                return JobKey(TENANT, job.job_id)
        raise TimeoutError(f"lot {number} was not accepted in 50 tries")

    def jobs(self) -> dict[str, JobRecord]:
        """Return all jobs by id."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        rows = (item for page in pages for item in page["Items"] if item["item"]["S"].startswith("job#"))
        return {job.job_id: job for job in map(from_item, rows)}

    def changes(self) -> Iterator[tuple[JobRecord | None, JobRecord]]:
        """Yield each change of each job, as the rows before and after, in the order of the table's stream."""
        streams = self.client("dynamodbstreams")
        arn = self.client("dynamodb").describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = streams.get_shard_iterator(**where)["ShardIterator"]
            while iterator:
                found = streams.get_records(ShardIterator=iterator, Limit=1000)
                for change in (record["dynamodb"] for record in found["Records"]):
                    if change["Keys"]["item"]["S"].startswith("job#"):
                        before = change.get("OldImage")
                        yield from_item(before) if before else None, from_item(change["NewImage"])
                iterator = found.get("NextShardIterator") if found["Records"] else None

    def messages(self, url: str) -> list[str]:
        """Receive all visible messages of a queue, and return their job ids."""
        found: list[str] = []
        sqs = self.client("sqs")
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages"):
            found += [json.loads(message["Body"])["job_id"] for message in batch]
        return found


class Fleet:
    """The execution environments of a test. One `worker_process` forks and signals them."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._lock = threading.Lock()
        self._logs: dict[int, Path] = {}

    def __enter__(self) -> Self:
        folders = ("handlers", "tools", ".")
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker_process"],
            cwd=REPOSITORY,
            env={
                "PATH": os.defpath,
                "PYTHONPATH": os.pathsep.join(str(REPOSITORY / folder) for folder in folders),
                **self._aws.variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._zygote as zygote:
            assert zygote.stdin
            zygote.stdin.close()

    @property
    def names(self) -> list[int]:
        """The names of all processes that were started."""
        return list(self._logs)

    def spawn(self, role: str = "worker", **fields: Any) -> int:
        """Start a process; return its name."""
        with self._lock:
            name = len(self._logs)
            self._logs[name] = self._aws.folder / f"{role}-{name}.log"
        log = str(self._logs[name])
        task = Task(role, log, self._aws.queue_url, self._aws.url, self._aws.bundle, **fields)
        self._ask({"spawn": asdict(task), "name": name})
        return name

    def signal(self, name: int, signal: int) -> bool:
        """Send a signal; return whether the process was alive. Signal 0 only checks that."""
        return bool(self._ask({"signal": int(signal), "name": name}))

    def lines(self, name: int | None = None) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON log lines of one process, or of all."""
        logs = list(self._logs.values()) if name is None else [self._logs[name]]
        for log in logs:
            if not log.exists():
                continue
            for line in log.read_text(encoding="utf-8").splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:  # a traceback, or a line cut off by a kill
                    continue

    def last_output(self, name: int) -> str:
        """Return the last 3,000 characters that a process wrote."""
        return self._logs[name].read_text(encoding="utf-8")[-3000:]

    def _ask(self, request: Mapping[str, Any]) -> Any:
        assert self._zygote.stdin
        assert self._zygote.stdout
        with self._lock:
            self._zygote.stdin.write(json.dumps(request) + "\n")
            self._zygote.stdin.flush()
            return json.loads(self._zygote.stdout.readline())
