"""A restored table works with the module's functions, and the sweeper refills queues that were lost."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.events.publisher import event_from
from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.jobs.record import JobRecord, Listing
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.aws import client, create_job_table
from tests.handlers.builders import MINUTE, START, Book, ScriptedModel, Value, a_job, a_processing_job, some_settings
from tests.handlers.erasures import an_ended_job, in_memory, on_aws

RAN: Counter[str] = Counter()


def stage(job: Job[Book]) -> Value:
    RAN[job.job_id] += 1
    return Value(text="done")


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    RAN.clear()
    with mock_aws():
        yield


def restored(source: str, target: str) -> None:
    """Restore a table from a backup under another name. Indexes are restored; stream, TTL and tags are not."""
    dynamodb = client("dynamodb")
    backup = dynamodb.create_backup(TableName=source, BackupName=f"{source}-backup")["BackupDetails"]["BackupArn"]
    dynamodb.restore_table_from_backup(TargetTableName=target, BackupArn=backup)


class Stack:
    """The sweeper and the worker over one table and one queue."""

    def __init__(self, table: str, queue: str, clock: ManualClock) -> None:
        self.settings = some_settings(table_name=table, queue_urls={"medium": queue})
        self.store = DynamoJobStore(client("dynamodb"), table, clock)
        self.queue = SqsJobQueue(client("sqs"), self.settings.queue_urls)
        self.clock, self.url = clock, queue

    def sweep(self) -> Counter[str]:
        return Sweeper(self.store, self.queue, self.settings, self.clock).sweep()

    def receive(self) -> list[Message]:
        """Receive and delete all messages."""
        found = []
        while received := client("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(Message.parse(message["Body"], "arn:aws:sqs:eu-west-1:1:jobs", message["ReceiptHandle"]))
        return found

    def work(self, messages: list[Message]) -> None:
        services = Services(MemoryArtifactStore(), MemoryPromptStore(), ScriptedModel(), self.settings)
        analysis = Analysis("valuation", request=Book, result=Value, stages=[stage])
        worker = Worker(self.store, self.queue, Analyses([analysis]), services, self.clock)
        for message in messages:
            worker.handle(message)

    def jobs(self) -> list[JobRecord]:
        return list(self.store.list_jobs(Listing("acme", limit=1_000)).jobs)


def unfinished() -> list[JobRecord]:
    """Return jobs in every state that is not an end: queued, waiting, held, left by a dead worker."""
    return [
        *(a_job() for _ in range(12)),
        *(a_job(status=Status.QUEUED, attempt=1, fence=1, not_before=START + MINUTE) for _ in range(3)),
        *(a_processing_job() for _ in range(3)),
    ]


def test_lost_queues_are_refilled_and_nothing_runs_twice(clock: ManualClock) -> None:
    create_job_table(client("dynamodb"), "jobs")
    queue = client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    stack = Stack("jobs", queue, clock)
    jobs = unfinished()
    ended = a_job(status=Status.COMPLETED, due_at=None, finished_at=START)
    for job in (*jobs, ended):
        stack.store.create(job, None)
        client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"tenant": "acme", "job_id": job.job_id}))
    survivors = stack.receive()[:5]  # these messages turn up later; all the others are lost
    for _ in range(3):
        clock.advance(3 * MINUTE)
        stack.sweep()
    messages = stack.receive()
    assert {message.job.job_id for message in messages} == {job.job_id for job in jobs}
    stack.work([*messages, *survivors, *messages])
    assert dict(RAN) == {job.job_id: 1 for job in jobs}
    assert {job.status for job in stack.jobs()} == {Status.COMPLETED}
    assert stack.sweep() == {}


def test_a_table_restored_from_a_backup_works_and_its_jobs_end_once(clock: ManualClock) -> None:
    place = on_aws(clock, "jobs")
    completed = an_ended_job(place)
    jobs = unfinished()
    for job in jobs:
        place.store.create(job, None)
    restored("jobs", "jobs-restored")
    client("dynamodb").delete_table(TableName="jobs")
    stack = Stack("jobs-restored", client("sqs").create_queue(QueueName="new")["QueueUrl"], clock)
    assert stack.store.get(completed.key) == completed
    assert stack.store.latest("acme", completed.analysis, "users/7") == completed
    by_index = stack.store.list_jobs(Listing("acme", status=Status.QUEUED, limit=1_000)).jobs
    assert len(by_index) == 15
    for _ in range(3):
        clock.advance(3 * MINUTE)
        stack.sweep()
        stack.work(stack.receive())
    assert dict(RAN) == {job.job_id: 1 for job in jobs}
    assert {job.status for job in stack.jobs()} == {Status.COMPLETED}


def test_restored_rows_do_not_announce_their_past_again() -> None:
    job = a_processing_job()
    ended = an_ended_row()
    assert event_from(RowChange(ended, None), "jobs") is None
    assert event_from(RowChange(job, job), "jobs") is None


def an_ended_row() -> Any:
    return an_ended_job(in_memory(ManualClock(START)))
