"""The AWS requests and write units that a job of five minutes costs, with its heartbeats, on moto's AWS."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import DUE_SHARDS, Item
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.faults.capacity import size, write_units
from tests.faults.figures import record
from tests.handlers.aws import REGION, client, create_job_table
from tests.handlers.builders import (
    MINUTE,
    QUEUE_ARN,
    START,
    Book,
    ScriptedModel,
    SteppedClock,
    Value,
    a_processing_job,
    says,
    some_settings,
)

BEAT = timedelta(seconds=15)
WORK = timedelta(minutes=5)
ANSWER = "The book is a first edition, and complete. " * 40


class Meter:
    """Counts requests by `service:Operation`, and the table's write units by operation."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.largest_row = 0
        self.updates: list[int] = []  # the units of each update, in order
        self._rows: dict[str, Item] = {}

    def watch(self) -> None:
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-parameter-build", self._asked)
        boto3.DEFAULT_SESSION.events.register("after-call.dynamodb.UpdateItem", self._updated)

    def _asked(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        self.requests[f"{model.service_model.service_name}:{model.name}"] += 1
        if model.name == "PutItem":
            self._written("PutItem", params["Item"])

    def _updated(self, parsed: dict[str, Any], **_: Any) -> None:
        if "Attributes" in parsed:
            self._written("UpdateItem", parsed["Attributes"])

    def _written(self, operation: str, row: Item) -> None:
        job_id = row["item"]["S"]
        units = write_units(self._rows.get(job_id), row)
        self.units[operation] += units
        if operation == "UpdateItem":
            self.updates.append(units)
        self.largest_row = max(self.largest_row, size(row))
        self._rows[job_id] = row


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        create_job_table(client("dynamodb"), "jobs")
        where: Any = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration=where)
        client("sqs").create_queue(QueueName="jobs")
        found = Meter()
        found.watch()
        yield found
        boto3.DEFAULT_SESSION = None


def after_five_minutes(clock: SteppedClock, text: str) -> Callable[[Question], Reply]:
    """Return a model's answer that takes five minutes, with the heartbeats of that time."""

    def answer(_question: Question) -> Reply:
        for _ in range(WORK // BEAT):
            clock.step(BEAT)
        return says(text)

    return answer


def stores(settings: Settings, clock: SteppedClock) -> tuple[DynamoJobStore, SqsJobQueue, S3ArtifactStore]:
    """Return the stores on moto's AWS."""
    return (
        DynamoJobStore(client("dynamodb"), "jobs", clock),
        SqsJobQueue(client("sqs"), settings.queue_urls),
        S3ArtifactStore(client("s3"), "artifacts"),
    )


def test_each_heartbeat_costs_two_requests_and_one_write_unit(meter: Meter) -> None:
    clock = SteppedClock()

    def price(job: Job[Book]) -> Value:
        return Value(text=job.ask("What is it worth?"))

    settings = some_settings(queue_urls={"medium": client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"]})
    analyses = Analyses([Analysis("valuation", request=Book, result=Value, stages=[price])])
    store, queue, artifacts = stores(settings, clock)
    meter.requests.clear()
    job = SubmissionService(store, queue, artifacts, analyses, settings, clock).submit(
        "acme", Submission(analysis="valuation", input={"isbn": "42"})
    )
    submitted = meter.requests.total()
    [message] = client("sqs").receive_message(QueueUrl=settings.queue_urls["medium"])["Messages"]
    assert json.loads(message["Body"])["job_id"] == job.job_id
    meter.requests.clear()
    worker = Worker(
        store,
        queue,
        analyses,
        Services(artifacts, MemoryPromptStore(), ScriptedModel(after_five_minutes(clock, ANSWER)), settings),
        clock,
    )
    worker.handle(Message(job.key, QUEUE_ARN, message["ReceiptHandle"]))
    ended = store.get(job.key)
    assert ended
    assert ended.status is Status.COMPLETED
    made = Counter(meter.requests)
    beats = made["dynamodb:UpdateItem"] - 2  # the claim and the end
    # The last heartbeat is due when the answer arrives. Either thread may run first.
    assert beats in (WORK // BEAT - 1, WORK // BEAT)
    assert made["sqs:ChangeMessageVisibility"] == beats + 1
    made["bedrock-runtime:ConverseStream"] = 1  # the scripted model sends no request
    del made["dynamodb:GetItem"]  # sent by this test
    # Creation: the row and two index entries. Claim: the row, and both entries replaced. End: 3 for the larger row, one
    # entry replaced, and the entry in `due` removed.
    assert meter.units.total() == 3 + 5 + beats + 6
    record(
        "cost of a job of 5 minutes",
        heartbeats=beats,
        requests_of_the_submission=submitted,
        requests_of_the_worker=made.total(),
        requests_of_heartbeats=2 * beats,
        requests_of_a_sweep=requests_of_a_sweep(meter, store, queue, settings, clock),
        write_units=meter.units.total(),
        write_units_of_heartbeats=beats,
        largest_row_bytes=meter.largest_row,
    )


def requests_of_a_sweep(
    meter: Meter, store: DynamoJobStore, queue: SqsJobQueue, settings: Settings, clock: SteppedClock
) -> int:
    """Return the number of requests of a sweep without due jobs. It does not depend on the number of jobs."""
    meter.requests.clear()
    assert not Sweeper(store, queue, settings, clock).sweep()
    return meter.requests.total()


@pytest.mark.parametrize("checkpoints", [0, 10, 100])
def test_a_heartbeat_costs_one_unit_with_any_number_of_checkpoints_and_any_input(
    meter: Meter, checkpoints: int
) -> None:
    clock = SteppedClock()

    def price(job: Job[Book]) -> Value:
        for number in range(checkpoints):
            job.checkpoint(f"part-{number}", number)
        return Value(text=job.ask("What is it worth?"))

    settings = some_settings(queue_urls={"medium": client("sqs").get_queue_url(QueueName="jobs")["QueueUrl"]})
    analyses = Analyses([Analysis("valuation", request=Book, result=Value, stages=[price])])
    store, queue, artifacts = stores(settings, clock)
    given = {"isbn": "x" * 4_000}
    job = SubmissionService(store, queue, artifacts, analyses, settings, clock).submit(
        "acme", Submission(analysis="valuation", input=given)
    )
    [message] = client("sqs").receive_message(QueueUrl=settings.queue_urls["medium"])["Messages"]
    services = Services(artifacts, MemoryPromptStore(), ScriptedModel(after_five_minutes(clock, "done")), settings)
    Worker(store, queue, analyses, services, clock).handle(Message(job.key, QUEUE_ARN, message["ReceiptHandle"]))
    ended = store.get(job.key)
    assert ended
    assert ended.status is Status.COMPLETED
    claim, *held, end = meter.updates
    assert (claim, set(held)) == (5, {1})
    assert len(held) - checkpoints in (WORK // BEAT - 1, WORK // BEAT)
    assert end <= 5  # one unit, an entry of an index replaced, and one removed
    # The input, each checkpoint, and a list for five checkpoints or more.
    assert meter.requests["s3:PutObject"] <= 1 + checkpoints + checkpoints // 5
    record(
        f"cost of a job with {checkpoints} checkpoints and an input of 4 KB",
        write_units=meter.units.total(),
        write_units_of_heartbeats=len(held) - checkpoints,
        objects_written=meter.requests["s3:PutObject"],
        largest_row_bytes=meter.largest_row,
    )


def test_a_sweep_reads_a_hundred_living_jobs_in_one_request(meter: Meter) -> None:
    clock = SteppedClock()
    store = DynamoJobStore(client("dynamodb"), "jobs", clock)
    for _ in range(250):
        store.create(a_processing_job(due_at=START, lease_until=START + MINUTE), None)
    queue = SqsJobQueue(client("sqs"), some_settings().queue_urls)
    meter.requests.clear()
    assert Sweeper(store, queue, some_settings(), clock).sweep() == {"alive": 250}
    assert meter.requests == {"dynamodb:Query": DUE_SHARDS, "dynamodb:BatchGetItem": 3}


def test_sizes_and_units_follow_the_rules_of_the_service() -> None:
    row: Item = {"tenant": {"S": "a"}, "item": {"S": "job#1"}, "tenant_status": {"S": "a#queued"}}
    assert size(row) == len("tenantaitemjob#1tenant_statusa#queued")
    assert write_units(None, row) == 2  # the row, and one new index entry
    moved: Item = row | {"tenant_status": {"S": "a#processing"}}
    assert write_units(row, moved) == 3  # the row, one entry removed, and one added
    assert write_units(row, row | {"lease_until": {"N": "1767225600000"}}) == 1
    assert write_units(row, row | {"result": {"S": "x" * 1024}}) == 2
