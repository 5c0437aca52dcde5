"""Jobs of one invocation do not harm each other: a bomb, an error, a stall, a lost lease, a cancel."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Defer, Fail, Job
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.documents.reader import DocumentReader, ReaderLimits
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.slots import Place
from tests.handlers.builders import QUEUE_ARN, Book, Shop, Value, heartbeat_lives, some_settings
from tests.handlers.events import logged
from tests.handlers.office import nested_forms
from tests.handlers.pdfs import pdf

GOOD = tuple(f"good-{number}" for number in range(4))


@dataclass
class Neighbours:
    """An invocation with a job that does `deed`, between good ones. These wait until the deed is done."""

    deed: Callable[[Job[Book]], Any]
    reader: DocumentReader = field(default_factory=DocumentReader)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.shop = Shop(
            [self._work],
            settings=some_settings(heartbeat_s=0.05, lease_s=60),
            clock=SystemClock(),  # type: ignore[arg-type]  # threads of several jobs
            documents=self.reader,
        )
        self.keys = {name: self._keep(name) for name in (*GOOD[:2], "bad", *GOOD[2:])}

    def _keep(self, name: str) -> JobKey:
        now = self.shop.clock.now()
        given = Payload(json.dumps({"isbn": name}))
        return self.shop.keep(
            job_id=name, input=given, created_at=now, deadline=now + timedelta(hours=1), due_at=now, max_attempts=1
        )

    def _work(self, job: Job[Book]) -> Value:
        if job.request.isbn == "bad":
            try:
                self.deed(job)
            finally:
                self.done.set()
        else:
            assert self.done.wait(60)
        return Value(text=job.request.isbn)

    def run(self) -> dict[str, JobRecord]:
        """Run the invocation. Return the jobs by name."""
        records = [
            {
                "messageId": name,
                "body": json.dumps({"tenant": key.tenant, "job_id": key.job_id}),
                "receiptHandle": name,
                "eventSourceARN": QUEUE_ARN,
            }
            for name, key in self.keys.items()
        ]
        worker = self.shop.worker

        def handle(given: dict[str, Any], place: Place) -> None:
            message = Message.parse(given["body"], given["eventSourceARN"], given["receiptHandle"])
            worker.handle(message, None, Invocation(shared=place.shared))

        self.answer = handle_batch(records, handle)
        return {name: self.shop.job(key) for name, key in self.keys.items()}


def fails(_job: Job[Book]) -> None:
    raise Fail("no", "no")


def breaks(_job: Job[Book]) -> None:
    raise RuntimeError("a defect")


def runs_out_of_memory(_job: Job[Book]) -> None:
    raise MemoryError


def is_told_to_wait(_job: Job[Book]) -> None:
    raise Defer("model_throttled", "later")


def recurses(job: Job[Book]) -> None:
    recurses(job)


@pytest.mark.parametrize("deed", [fails, breaks, runs_out_of_memory, is_told_to_wait, recurses])
def test_an_error_of_one_job_costs_the_others_no_attempt(deed: Callable[[Job[Book]], None]) -> None:
    neighbours = Neighbours(deed)
    jobs = neighbours.run()
    assert {jobs[name].status for name in GOOD} == {Status.COMPLETED}
    assert {jobs[name].attempt for name in GOOD} == {1}
    assert jobs["bad"].status in (Status.FAILED, Status.QUEUED)
    assert neighbours.answer == {"batchItemFailures": []}
    assert not heartbeat_lives()


def test_a_bomb_ends_its_own_job_and_the_others_can_still_read() -> None:
    reader = DocumentReader(ReaderLimits(memory_mb=256))

    def read_a_bomb(_job: Job[Book]) -> None:
        try:
            reader.read(nested_forms(9), "a.pdf", lambda: None)
        finally:
            [page] = reader.read(pdf(["fine"]), "b.pdf", lambda: None).pages
            assert "fine" in page.text

    jobs = Neighbours(read_a_bomb, reader).run()
    failure = jobs["bad"].failure
    assert failure
    assert failure.code == "document_too_complex"
    assert {jobs[name].status for name in GOOD} == {Status.COMPLETED}


def test_a_process_exit_of_one_job_returns_its_message_only() -> None:
    def exits(_job: Job[Book]) -> None:
        raise SystemExit(3)

    neighbours = Neighbours(exits)
    jobs = neighbours.run()
    assert {jobs[name].status for name in GOOD} == {Status.COMPLETED}
    assert neighbours.answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


def test_a_lost_lease_and_a_cancel_stop_their_own_job_only() -> None:
    for lost in ("lease", "cancel"):
        neighbours = Neighbours(lambda _job: None)

        def deed(job: Job[Book], lost: str = lost, neighbours: Neighbours = neighbours) -> None:
            key, store = neighbours.keys["bad"], neighbours.shop.store
            with store.lock:
                row = store.jobs[key]
                changes: dict[str, Any] = {"fence": 9} if lost == "lease" else {"cancel_asked_at": row.created_at}
                store.jobs[key] = replace(row, **changes)
            job.checkpoint("part", 1)

        neighbours.deed = deed
        jobs = neighbours.run()
        assert jobs["bad"].status is (Status.PROCESSING if lost == "lease" else Status.CANCELLED)
        assert {jobs[name].status for name in GOOD} == {Status.COMPLETED}


def test_each_log_line_about_a_job_has_its_own_id() -> None:
    with logged() as lines:
        jobs = Neighbours(breaks).run()
    by_event: dict[str, list[str]] = {}
    for line in lines:
        if "job_id" in line:
            by_event.setdefault(line["event"], []).append(line["job_id"])
    assert sorted(by_event["job.claimed"]) == sorted(by_event["stage.done"] + ["bad"]) == sorted(jobs)
    assert sorted(by_event["job.complete"]) == sorted(GOOD)
    assert by_event["job.error"] == ["bad"]
    assert all("job_id" in line for line in lines), "every line of a packed invocation names its job"
