"""The sweeper writes many rows in one transaction, and sends many messages in one request. None is lost by that."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.observability import _SCOPE
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.jobs.dispatch import send_grace
from analysis_jobs.jobs.ports import Applied, JobMessage, JobStore, Step
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, ending
from analysis_jobs.jobs.transitions import EXPIRE, JOIN, REQUEST_CANCEL, REQUEUE, RESEND, Status, Transition
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore, MemoryQueue
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.sweeper import one_sweep
from analysis_jobs.sweeper.one_sweep import TOGETHER
from analysis_jobs.sweeper.sweeper import Sweeper
from tests.handlers.aws import client, create_job_table
from tests.handlers.builders import MILLISECOND, START, Shop, a_job, a_processing_job, some_settings

MARK = {"claimant": "a mark"}
_numbers = count(1)


@pytest.fixture
def shop() -> Shop:
    return Shop([])


def lost(**fields: Any) -> JobRecord:
    """Return a queued job with a lost message."""
    return a_job(**({"due_at": START} | fields))


def dead(**fields: Any) -> JobRecord:
    """Return a running job with an expired lease. Its worker is dead."""
    return a_processing_job(**({"lease_until": START, "due_at": START} | fields))


def kept(store: JobStore, *jobs: JobRecord) -> list[JobKey]:
    for job in jobs:
        store.create(job, None)
    return [job.key for job in jobs]


def sent(shop: Shop) -> list[JobKey]:
    return [key for _, key, _ in shop.queue.sent]


# Transactions: both stores


def test_a_transaction_writes_what_single_transitions_write(store: JobStore) -> None:
    jobs = [lost(), dead(shared=None), lost(deadline=START, tenant="globex")]
    twins = [replace(job, tenant="twins") for job in jobs]
    kept(store, *jobs, *twins)
    now = START + timedelta(seconds=2.0004567)  # DynamoDB keeps milliseconds, and whole seconds of `expires_at`
    ways: list[tuple[Transition, dict[str, Any]]] = [
        (RESEND, {**MARK, "due_at": now}),
        (REQUEUE, {**MARK, "lease_until": None, "failure": JobFailure("worker_lost", "cut off", retryable=True)}),
        (EXPIRE, ending(now, timedelta(days=1))),
    ]
    rows = store.transition_all([Step(job, way, Changes(new), now) for job, (way, new) in zip(jobs, ways, strict=True)])
    assert rows == [store.get(job.key) for job in jobs]
    for twin, (way, new) in zip(twins, ways, strict=True):
        store.transition(twin.key, way, Changes(new), now=now, read=twin)
    assert [replace(row, tenant="twins") for row in rows or ()] == [store.get(twin.key) for twin in twins]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(dead(lease_until=START + MILLISECOND), id="a guard that does not hold"),
        pytest.param(replace(dead(), job_id="gone"), id="a job that does not exist"),
        pytest.param(replace(dead(), version=2), id="a row that has changed since it was read"),
    ],
)
def test_a_transaction_with_one_refused_step_writes_nothing(store: JobStore, other: JobRecord) -> None:
    good = lost()
    kept(store, good, *([] if other.job_id == "gone" else [replace(other, version=1)]))
    steps = [Step(good, RESEND, Changes(MARK), START), Step(other, REQUEUE, Changes(MARK), START)]
    assert store.transition_all(steps) is None
    assert store.get(good.key) == good
    assert (store.get(other.key) or replace(other, version=1)) == replace(other, version=1)


# Few requests


class Counted:
    """The clients of DynamoDB and SQS on moto, and the names of the requests that were sent."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.dynamodb, self.sqs = client("dynamodb"), client("sqs")
        self.table = f"counted-{next(_numbers)}"
        create_job_table(self.dynamodb, self.table)
        self.url = self.sqs.create_queue(QueueName=self.table)["QueueUrl"]
        for made in (self.dynamodb, self.sqs):
            made.meta.events.register("before-call", lambda model, **_: self.requests.append(model.name))


@pytest.fixture
def aws() -> Iterator[Counted]:
    with mock_aws():
        yield Counted()


def test_a_group_of_rows_takes_one_write_and_one_sending_for_each_ten(aws: Counted) -> None:
    clock = ManualClock(START)
    store = DynamoJobStore(aws.dynamodb, aws.table, clock)
    jobs = [make() for _ in range(TOGETHER) for make in (lost, dead)]
    kept(store, *jobs)
    aws.requests.clear()
    queue = SqsJobQueue(aws.sqs, {"medium": aws.url})
    assert Sweeper(store, queue, some_settings(), clock).sweep() == {"resend": TOGETHER, "requeue": TOGETHER}
    counts = {name: aws.requests.count(name) for name in set(aws.requests)}
    assert counts == {"Query": 4, "BatchGetItem": 2, "TransactWriteItems": 2, "SendMessageBatch": 6}
    assert {row.status for job in jobs if (row := store.get(job.key))} == {Status.QUEUED}


def test_a_single_row_is_written_without_a_transaction(aws: Counted) -> None:
    clock = ManualClock(START)
    store = DynamoJobStore(aws.dynamodb, aws.table, clock)
    kept(store, lost())
    aws.requests.clear()
    assert Sweeper(store, SqsJobQueue(aws.sqs, {"medium": aws.url}), some_settings(), clock).sweep() == {"resend": 1}
    assert "TransactWriteItems" not in aws.requests


def test_all_kinds_of_steps_fit_into_one_transaction(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = kept(
        shop.store,
        lost(),
        dead(),
        dead(shared=True),
        dead(attempt=3),
        dead(cancel_asked_at=START),
        lost(deadline=START),
    )
    monkeypatch.setattr(MemoryJobStore, "transition", None)  # nothing is written by itself
    assert shop.sweeper.sweep() == {"resend": 1, "requeue": 2, "fail": 2, "cancel": 1}
    assert sent(shop) == keys[:3]
    assert shop.queue.alone == [False, False, True]
    assert [str(shop.job(key).status) for key in keys] == ["queued"] * 3 + ["failed", "cancelled", "failed"]
    assert shop.queue.dedupes == [f"{key.job_id}-{shop.job(key).version}" for key in keys[:3]]


def test_a_canary_that_ends_in_a_transaction_is_not_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    outside: list[bool] = []

    def count_failed(metric: str) -> None:
        counted.append(metric)
        outside.append(_SCOPE.get() is None)

    monkeypatch.setattr(one_sweep, "count", count_failed)
    kept(shop.store, dead(attempt=3, tenant=CANARY_TENANT), dead(attempt=3))
    assert shop.sweeper.sweep() == {"fail": 2}
    assert (counted, outside) == (["JobsFailed"] * 2, [False, True])


# Transactions that fail


class Meanwhile(MemoryJobStore):
    """A store in which a caller cancels one job just before a transaction."""

    def __init__(self, key: JobKey) -> None:
        super().__init__()
        self._key = key

    def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
        change = JOIN if self.jobs[self._key].status is Status.QUEUED else REQUEST_CANCEL
        new = Changes({} if change is JOIN else {"cancel_asked_at": START})
        assert isinstance(self.transition(self._key, change, new, now=START), Applied)
        return super().transition_all(steps)


@pytest.mark.parametrize(("make", "step"), [(lost, "resend"), (dead, "requeue")])
def test_a_row_that_changes_meanwhile_does_not_stop_the_others(shop: Shop, make: Any, step: str) -> None:
    jobs = [make() for _ in range(3)]
    shop.store = Meanwhile(jobs[1].key)
    kept(shop.store, *jobs)
    before = shop.sweeper.sweep()
    assert before == {step: 2, "overtaken": 1}
    assert sent(shop) == [jobs[0].key, jobs[2].key]
    assert shop.job(jobs[1].key).due_at == START  # the next sweep sees it


@pytest.mark.parametrize("landed", [False, True])
def test_after_an_error_of_the_transaction_each_row_gets_its_step_and_its_message_once(
    shop: Shop, *, landed: bool
) -> None:
    class Broken(MemoryJobStore):
        def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
            if landed:
                super().transition_all(steps)
            raise ConnectionError("no answer")

    shop.store = Broken()
    keys = kept(shop.store, lost(), dead(), dead(shared=True))
    assert shop.sweeper.sweep() == {"resend": 1, "requeue": 2}
    assert sent(shop) == keys
    assert [shop.job(key).version for key in keys] == [2, 2, 2]
    assert not shop.sweeper.sweep()


def test_no_row_is_written_alone_after_the_time_is_over(shop: Shop) -> None:
    until = START + timedelta(seconds=10)

    class Slow(MemoryJobStore):
        def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
            assert steps
            shop.clock.advance(timedelta(seconds=10))
            return None

    shop.store = Slow()
    jobs = [lost(), lost()]
    kept(shop.store, *jobs)
    assert shop.sweeper.sweep(until) == {}
    assert [shop.job(job.key) for job in jobs] == jobs


# Messages that are refused


class Refusing(MemoryQueue):
    """A queue that refuses some messages when they are sent with others, or always."""

    def __init__(self, refused: set[JobKey], *, always: bool) -> None:
        super().__init__()
        self._refused, self._always = refused, always

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        for message in messages:
            if message.job not in self._refused:
                super().send(**vars(message))
        return [message for message in messages if message.job in self._refused]

    def send(self, priority: str, job: JobKey, **options: Any) -> None:
        if self._always and job in self._refused:
            raise ConnectionError("refused")
        super().send(priority, job, **options)


def test_a_message_that_is_refused_with_others_is_sent_by_itself(shop: Shop) -> None:
    keys = kept(shop.store, lost(), lost(), dead())
    shop.queue = Refusing({keys[0], keys[2]}, always=False)
    assert shop.sweeper.sweep() == {"resend": 2, "requeue": 1}
    assert sorted(sent(shop), key=str) == sorted(keys, key=str)


def test_a_message_that_is_always_refused_is_an_error_and_its_row_is_due_again(shop: Shop) -> None:
    keys = kept(shop.store, lost(), lost(), lost())
    shop.queue = Refusing({keys[1]}, always=True)
    assert shop.sweeper.sweep() == {"resend": 2, "error": 1}
    assert sent(shop) == [keys[0], keys[2]]
    assert shop.job(keys[1]).due_at == START + send_grace(2)
    shop.clock.advance(send_grace(2))
    shop.queue = MemoryQueue()
    assert shop.sweeper.sweep() == {"resend": 3}
    assert set(sent(shop)) == set(keys)


def test_after_a_crash_between_the_rows_and_the_messages_a_later_sweep_sends_them(shop: Shop) -> None:
    class Crash(MemoryQueue):
        def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
            assert messages
            raise SystemExit(1)

    shop.queue = Crash()
    keys = kept(shop.store, *(lost() for _ in range(TOGETHER)), *(dead() for _ in range(TOGETHER)))
    with pytest.raises(SystemExit):
        shop.sweeper.sweep()
    shop.queue = MemoryQueue()
    shop.clock.advance(send_grace(2))
    assert shop.sweeper.sweep().total() == len(keys)
    assert set(sent(shop)) == set(keys)


def test_a_refused_message_waits_for_the_next_sweep_if_the_time_is_over(shop: Shop) -> None:
    class Late(Refusing):
        def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
            shop.clock.advance(timedelta(seconds=10))
            return super().send_all(messages)

    keys = kept(shop.store, lost(), lost())
    shop.queue = Late({keys[1]}, always=False)
    assert shop.sweeper.sweep(START + timedelta(seconds=10)) == {"resend": 1, "error": 1}
    assert sent(shop) == keys[:1]
    assert shop.job(keys[1]).due_at is not None
