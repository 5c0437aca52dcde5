"""The sweeper: every overdue job gets its next step once, and one bad row does not stop the sweep."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from analysis_jobs import Job
from analysis_jobs.base.observability import counting_for
from analysis_jobs.jobs.dispatch import SEND_GRACE, send_grace
from analysis_jobs.jobs.ports import Applied, ConditionFailed
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord
from analysis_jobs.jobs.transitions import COMPLETE, Status, Transition
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore, MemoryQueue
from analysis_jobs.sweeper.one_sweep import TOGETHER
from analysis_jobs.sweeper.sweeper import Sweeper
from tests.handlers.builders import (
    MILLISECOND,
    MINUTE,
    START,
    Book,
    Shop,
    Value,
    a_job,
    a_processing_job,
    some_settings,
)
from tests.handlers.events import logged

THROTTLED = JobFailure("model_throttled", "slow down", retryable=True)


def price(_job: Job[Book]) -> Value:
    return Value(text="x")


@pytest.fixture
def shop() -> Shop:
    return Shop([price])


def dead(**fields: Any) -> JobRecord:
    """Return a running job with an expired lease. Its worker is dead."""
    return a_processing_job(**({"lease_until": START, "due_at": START} | fields))


def kept(shop: Shop, job: JobRecord) -> JobKey:
    shop.store.create(job, None)
    return job.key


def test_a_sweep_without_due_jobs_does_nothing(shop: Shop) -> None:
    kept(shop, a_job(due_at=START + MILLISECOND))
    kept(shop, a_job(due_at=None, status=Status.COMPLETED))
    before = dict(shop.store.jobs)
    assert shop.sweeper.sweep() == {}
    assert (shop.store.jobs, shop.queue.sent) == (before, [])


# Lost messages


def test_a_lost_message_is_sent_again_into_its_lane(shop: Shop) -> None:
    key = kept(shop, a_job(due_at=START, priority="high"))
    before = shop.job(key)
    assert shop.sweeper.sweep() == {"resend": 1}
    assert shop.queue.sent == [("high", key, timedelta())]
    after = shop.job(key)
    assert after == replace(before, version=2, sends=2, due_at=START + send_grace(2), claimant=after.claimant)


def test_a_resent_job_is_run(shop: Shop) -> None:
    key = kept(shop, a_job(due_at=START))
    shop.sweeper.sweep()
    assert shop.deliver(shop.queue.sent[0][1]).status is Status.COMPLETED
    assert shop.job(key).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("sends", "minutes"), [(0, 2), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64), (7, 128), (8, 128), (1_000, 128)]
)
def test_the_time_until_the_next_resend_doubles_with_every_send(sends: int, minutes: int) -> None:
    assert send_grace(sends) == minutes * MINUTE


def test_a_backlog_of_hours_gets_few_duplicates(shop: Shop) -> None:
    kept(shop, a_job(due_at=START + SEND_GRACE, deadline=START + timedelta(days=1)))
    for _ in range(6 * 60):
        shop.clock.advance(MINUTE)
        shop.sweeper.sweep()
    assert len(shop.queue.sent) == 7  # after 2, 6, 14, 30, 62, 126, 254 minutes
    assert len(set(shop.queue.dedupes)) == 7  # otherwise a FIFO queue would drop them


def test_a_message_that_cannot_be_sent_now_is_sent_later(shop: Shop) -> None:
    class ClosedOnce(MemoryQueue):
        def send(self, priority: str, job: JobKey, **options: Any) -> None:
            if shop.job(job).sends == 2:
                raise ConnectionError("no network")
            super().send(priority, job, **options)

    shop.queue = ClosedOnce()
    kept(shop, a_job(due_at=START))
    assert shop.sweeper.sweep() == {"error": 1}
    shop.clock.advance(send_grace(2))
    assert shop.sweeper.sweep() == {"resend": 1}
    assert len(shop.queue.sent) == 1


# Dead workers


def test_the_job_of_a_dead_worker_gets_another_attempt(shop: Shop) -> None:
    key = kept(shop, dead(failure=THROTTLED))
    assert shop.sweeper.sweep() == {"requeue": 1}
    job = shop.job(key)
    assert (job.status, job.attempt, job.lease_until) == (Status.QUEUED, 1, None)
    assert job.due_at == START + SEND_GRACE
    assert job.failure == JobFailure(
        "worker_lost",
        "attempt 1 of 3 was cut off (timeout, memory, or a crash); the previous error: slow down",
        retryable=True,
    )
    assert shop.queue.sent == [("medium", key, timedelta())]
    after = shop.deliver(key)
    assert (after.status, after.attempt) == (Status.COMPLETED, 2)
    assert [entry.transition for entry in after.history] == ["requeue", "claim", "complete"]


def test_the_failure_message_does_not_grow_with_every_dead_worker(shop: Shop) -> None:
    cut = "was cut off (timeout, memory, or a crash)"
    known = f"attempt 1 of 3 {cut}; the previous error: slow down"
    keys = [
        kept(shop, dead(attempt=attempt, failure=JobFailure("worker_lost", message, retryable=True)))
        for attempt, message in ((2, known), (2, f"attempt 1 of 3 {cut}"), (3, known))
    ]
    shop.sweeper.sweep()
    assert [failure.message for key in keys if (failure := shop.job(key).failure)] == [
        f"attempt 2 of 3 {cut}; the previous error: slow down",
        f"attempt 2 of 3 {cut}",
        f"attempt 3 of 3 {cut}; the previous error: slow down",
    ]


def test_the_job_of_a_worker_with_heartbeats_is_not_touched(shop: Shop) -> None:
    # The index still lists the row as due, because beats do not update the index.
    key = kept(shop, dead(lease_until=START + MILLISECOND))
    before = shop.job(key)
    assert shop.sweeper.sweep() == {"alive": 1}
    assert (shop.job(key), shop.queue.sent) == (before, [])
    shop.clock.advance(MILLISECOND)
    assert shop.sweeper.sweep() == {"requeue": 1}


def test_a_job_fails_when_the_worker_of_its_last_attempt_dies(shop: Shop) -> None:
    key = kept(shop, dead(attempt=3, max_attempts=3))
    before = shop.job(key)
    assert shop.sweeper.sweep() == {"fail": 1}
    message = "attempt 3 of 3 was cut off (timeout, memory, or a crash)"
    assert shop.job(key) == replace(
        before,
        status=Status.FAILED,
        version=2,
        due_at=None,
        lease_until=None,
        finished_at=START,
        expires_at=START + timedelta(days=30),
        failure=JobFailure("worker_lost", message, retryable=True),
        history=shop.job(key).history,
    )
    assert [(entry.at, entry.transition) for entry in shop.job(key).history] == [(START, "abandon")]
    assert shop.queue.sent == []
    assert shop.sweeper.sweep() == {}


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
def test_a_job_that_kills_every_worker_fails_in_the_end(max_attempts: int) -> None:
    def killed(_job: Job[Book]) -> Value:
        raise SystemExit(1)

    shop = Shop([killed])
    key = shop.keep(max_attempts=max_attempts)
    shop.queue.send("medium", key, dedupe="submit")
    for _ in range(max_attempts):
        assert len(shop.queue.sent) == 1
        shop.queue.sent.clear()
        with pytest.raises(SystemExit):
            shop.deliver(key)
        shop.clock.advance(shop.settings.lease)
        shop.sweeper.sweep()
    assert (shop.job(key).status, shop.job(key).attempt, shop.queue.sent) == (Status.FAILED, max_attempts, [])


def test_a_worker_that_resumes_after_its_lease_expired_writes_nothing(shop: Shop) -> None:
    key = kept(shop, dead())
    stale = shop.job(key)
    shop.sweeper.sweep()
    after = shop.job(key)
    assert shop.store.transition(key, COMPLETE, Changes(), now=START, read=stale) == ConditionFailed(after)


# Deadlines, and rows that could wait forever


@pytest.mark.parametrize("failure", [None, THROTTLED])
def test_a_job_that_waits_until_its_deadline_fails(shop: Shop, failure: JobFailure | None) -> None:
    key = kept(shop, a_job(due_at=START, deadline=START, failure=failure))
    assert shop.sweeper.sweep() == {"fail": 1}
    job = shop.job(key)
    assert job.failure is not None
    assert (job.status, job.failure.code, job.failure.retryable) == (Status.FAILED, "deadline_passed", True)
    assert job.failure.message.endswith("its last error: slow down" if failure else "by its deadline")
    assert (job.finished_at, job.due_at, shop.queue.sent) == (START, None, [])


def test_no_job_expires_before_its_deadline(shop: Shop) -> None:
    key = kept(shop, a_job(due_at=START, deadline=START + MILLISECOND))
    assert shop.sweeper.sweep() == {"resend": 1}
    assert shop.job(key).due_at == START + MILLISECOND  # it is due at its deadline, which comes before the next resend
    shop.clock.advance(MILLISECOND)
    assert shop.sweeper.sweep() == {"fail": 1}


def test_the_job_of_a_dead_worker_is_not_restarted_after_its_deadline(shop: Shop) -> None:
    key = kept(shop, dead(deadline=START))
    assert shop.sweeper.sweep() == {"fail": 1}
    assert [entry.transition for entry in shop.job(key).history] == ["expire"]


def test_the_job_of_a_dead_worker_is_due_at_its_deadline(shop: Shop) -> None:
    key = kept(shop, dead(deadline=START + MINUTE))
    shop.sweeper.sweep()
    assert shop.job(key).due_at == START + MINUTE


def test_a_running_job_may_finish_after_its_deadline(shop: Shop) -> None:
    key = kept(shop, dead(deadline=START, lease_until=START + MINUTE))
    assert shop.sweeper.sweep() == {"alive": 1}
    assert isinstance(shop.store.transition(key, COMPLETE, Changes(), now=START, read=shop.job(key)), Applied)


@pytest.mark.parametrize("failure", [None, THROTTLED])
def test_a_waiting_job_without_attempts_left_fails_at_once(shop: Shop, failure: JobFailure | None) -> None:
    # No transition leads to this state, but an edited row may have it. The job must not wait for its deadline.
    key = kept(shop, a_job(due_at=START, attempt=3, max_attempts=2, failure=failure))
    assert shop.sweeper.sweep() == {"fail": 1}
    job = shop.job(key)
    assert job.failure is not None
    assert (job.status, job.failure.code) == (Status.FAILED, "model_throttled" if failure else "worker_lost")


def test_a_running_job_without_a_lease_is_requeued(shop: Shop) -> None:
    key = kept(shop, dead(lease_until=None))
    assert shop.sweeper.sweep() == {"requeue": 1}
    assert shop.job(key).status is Status.QUEUED


# More than one sweeper, and bad rows


class StaleIndexStore(MemoryJobStore):
    """A store with a stale index: it always returns the keys that were due at its creation."""

    def __init__(self, *keys: JobKey) -> None:
        super().__init__()
        self._keys_due = keys

    def due(self, now: datetime) -> Iterator[JobKey]:
        assert now
        yield from self._keys_due


@pytest.mark.parametrize(
    "job",
    [
        a_job(due_at=START + MILLISECOND),
        a_job(due_at=None, status=Status.COMPLETED),
        a_processing_job(due_at=START + MILLISECOND, lease_until=START),
        None,
    ],
)
def test_a_job_that_is_due_only_in_the_index_is_not_touched(shop: Shop, job: JobRecord | None) -> None:
    key = job.key if job else JobKey("acme", "gone")
    shop.store = StaleIndexStore(key)
    if job:
        shop.store.create(job, None)
    assert shop.sweeper.sweep() == {"overtaken": 1}
    assert (shop.store.get(key), shop.queue.sent) == (job, [])


class RacingSweepersStore(MemoryJobStore):
    """A store that lets two sweepers read a row before either of them writes it."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def transition(
        self, key: JobKey, transition: Transition, changes: Changes, **more: Any
    ) -> Applied | ConditionFailed:
        self._both.wait(60)
        return super().transition(key, transition, changes, **more)


@pytest.mark.parametrize(
    ("job", "step", "messages"),
    [
        (a_job(due_at=START), "resend", 1),
        (dead(), "requeue", 1),
        (dead(attempt=3), "fail", 0),
        (a_job(due_at=START, deadline=START), "fail", 0),
    ],
)
def test_of_two_concurrent_sweepers_only_one_applies_the_step(job: JobRecord, step: str, messages: int) -> None:
    shop = Shop([price], store=RacingSweepersStore())
    kept(shop, job)
    found: list[dict[str, int]] = []
    sweepers = [threading.Thread(target=lambda: found.append(dict(shop.sweeper.sweep()))) for _ in range(2)]
    for thread in sweepers:
        thread.start()
    for thread in sweepers:
        thread.join(60)
    assert sorted(found, key=str) == sorted([{step: 1}, {"overtaken": 1}], key=str)
    assert len(shop.queue.sent) == messages


def test_one_bad_row_does_not_stop_the_sweep(shop: Shop) -> None:
    class Unreadable(MemoryJobStore):
        def get(self, key: JobKey) -> JobRecord | None:
            if key == bad:
                raise TypeError("the row lacks a field")
            return super().get(key)

        def read_many(self, keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
            return {key: job for key in keys if (job := self.get(key))}

    shop.store = Unreadable()
    jobs = [a_job(due_at=START - n * MILLISECOND) for n in range(5)]
    bad = jobs[2].key
    for job in jobs:
        kept(shop, job)
    assert shop.sweeper.sweep() == {"resend": 4, "error": 1}
    assert {key for _, key, _ in shop.queue.sent} == {job.key for job in jobs} - {bad}


def test_held_jobs_are_not_read_as_a_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    living, overdue = a_processing_job(due_at=START, lease_until=START + MINUTE), a_job(due_at=START)
    for job in (living, overdue):
        kept(shop, job)
    read: list[JobKey] = []
    read_many = shop.store.read_many

    def recorded(keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
        read.extend(keys)
        return read_many(keys)

    monkeypatch.setattr(shop.store, "read_many", recorded)
    assert shop.sweeper.sweep() == {"alive": 1, "resend": 1}
    assert read == [overdue.key]


def test_without_the_leases_all_rows_are_read(shop: Shop) -> None:
    class WithoutLeases(MemoryJobStore):
        def held(self, keys: Sequence[JobKey], now: datetime) -> frozenset[JobKey]:  # noqa: ARG002 - the signature of the port
            raise OSError("no route to DynamoDB")

    shop.store = WithoutLeases()
    for job in (a_processing_job(due_at=START, lease_until=START + MINUTE), a_job(due_at=START)):
        kept(shop, job)
    assert shop.sweeper.sweep() == {"alive": 1, "resend": 1}


def test_an_unreadable_row_in_dynamodb_does_not_stop_the_sweep(
    dynamodb: Any, dynamo_store: DynamoJobStore, table: str, shop: Shop
) -> None:
    jobs = [a_job(due_at=START), a_job(due_at=START, tenant="globex"), dead(tenant="initech")]
    for job in jobs:
        dynamo_store.create(job, None)
    bad = {"tenant": {"S": "acme"}, "item": {"S": f"job#{jobs[0].job_id}"}}
    dynamodb.update_item(TableName=table, Key=bad, UpdateExpression="REMOVE created_at")
    sweeper = Sweeper(dynamo_store, shop.queue, some_settings(), shop.clock)
    assert sweeper.sweep() == {"resend": 1, "requeue": 1, "error": 1}
    assert {key for _, key, _ in shop.queue.sent} == {job.key for job in jobs[1:]}


# Many jobs


def overdue(shop: Shop, count: int) -> list[JobKey]:
    """Keep overdue jobs, and return them with the longest overdue first."""
    jobs = [a_job(due_at=START - n * MILLISECOND) for n in range(count)]
    return [kept(shop, job) for job in jobs][::-1]


def test_the_longest_overdue_job_comes_first(shop: Shop) -> None:
    jobs = overdue(shop, 7)
    shop.sweeper.sweep()
    assert [key for _, key, _ in shop.queue.sent] == jobs


def test_a_sweep_that_runs_out_of_time_ends_as_usual_and_the_next_one_goes_on(shop: Shop) -> None:
    class Slow(MemoryQueue):
        def send(self, priority: str, job: JobKey, **options: Any) -> None:
            shop.clock.advance(timedelta(seconds=1))
            super().send(priority, job, **options)

    shop.queue = Slow()
    jobs = overdue(shop, 3 * TOGETHER)
    until = shop.clock.now() + timedelta(seconds=TOGETHER + 1)  # the second group begins in time
    with logged() as lines, counting_for(None):
        assert shop.sweeper.sweep(until) == {"resend": 2 * TOGETHER}
    [line] = [line for line in lines if line["event"] == "sweep.done"]
    assert (line["steps"], line["out_of_time"]) == ({"resend": 2 * TOGETHER}, True)
    assert [shop.job(key).sends for key in jobs] == [2] * 2 * TOGETHER + [1] * TOGETHER
    assert shop.sweeper.sweep() == {"resend": TOGETHER}
    assert [key for _, key, _ in shop.queue.sent] == jobs


def test_a_sweep_without_time_takes_no_step(shop: Shop) -> None:
    overdue(shop, 1)
    assert shop.sweeper.sweep(shop.clock.now()) == {}
    assert shop.queue.sent == []


def test_threads_take_one_step_with_each_job(shop: Shop) -> None:
    jobs = overdue(shop, 1_000)
    assert replace(shop.sweeper, at_once=8).sweep() == {"resend": 1_000}
    assert sorted(key.job_id for _, key, _ in shop.queue.sent) == sorted(key.job_id for key in jobs)


def test_an_error_of_the_index_in_a_thread_fails_the_sweep(shop: Shop) -> None:
    class Unreachable(MemoryJobStore):
        def due(self, now: datetime) -> Iterator[JobKey]:
            yield from super().due(now)
            raise ConnectionError("the index cannot be read")

    shop.store = Unreachable()
    overdue(shop, 1)
    with pytest.raises(ConnectionError):
        replace(shop.sweeper, at_once=2).sweep()
