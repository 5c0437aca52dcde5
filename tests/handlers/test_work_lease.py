"""The lease of a worker: heartbeats renew it, and a worker without the lease writes nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.ports import Applied, ConditionFailed
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import BEAT, COMPLETE, RELEASE, Status, Transition
from analysis_jobs.stores.memory import MemoryJobStore, MemoryQueue
from tests.handlers.builders import (
    MINUTE,
    SECOND,
    START,
    Book,
    ScriptedModel,
    Shop,
    Value,
    heartbeat_lives,
    says,
    some_settings,
)

LEASE, EVERY = MINUTE, 15 * SECOND
VISIBLE_AGAIN = ("receipt", LEASE + 2 * SECOND)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not heartbeat_lives()


# Heartbeats


def test_the_claim_and_each_beat_hide_the_message_a_little_longer_than_the_lease() -> None:
    seen: list[Any] = []

    def three_beats(_job: Job[Book]) -> Value:
        seen.append(list(shop.queue.extended))
        for _ in range(3):
            shop.clock.step(EVERY)
        return Value(text="x")

    shop = Shop([three_beats])
    shop.deliver(shop.keep())
    assert seen == [[VISIBLE_AGAIN]]
    assert shop.queue.extended == [VISIBLE_AGAIN] * 4


def test_a_beat_renews_the_lease_and_writes_progress_and_usage() -> None:
    seen: list[JobRecord] = []

    def work(job: Job[Book]) -> Value:
        seen.append(shop.job(key))
        job.progress(40)
        job.ask("how much?")
        job.progress(60)
        shop.clock.step(EVERY)
        seen.append(shop.job(key))
        return Value(text="x")

    shop = Shop([work], ScriptedModel(says("", input_tokens=7, output_tokens=1)))
    key = shop.keep(usage=Usage(1, 1, 1))
    shop.deliver(key)
    claimed, beaten = seen
    assert (claimed.lease_until, claimed.due_at) == (START + LEASE, START + LEASE)
    models = {"some.model": Usage(1, 7, 1)}
    assert beaten == replace(
        claimed,
        version=3,
        claimant=None,
        lease_until=START + EVERY + LEASE,
        progress=60,
        usage=Usage(2, 8, 2),
        models=models,
    )  # `due_at` is an index key and is not written


def test_a_job_may_run_longer_than_many_leases() -> None:
    def long(job: Job[Book]) -> Value:
        for _ in range(40):
            shop.clock.step(EVERY)
            job.progress(50)
            assert shop.sweeper.sweep() in ({}, {"alive": 1})
        return Value(text="x")

    shop = Shop([long])
    job = shop.deliver(shop.keep())
    assert (job.status, job.attempt, job.finished_at) == (Status.COMPLETED, 1, START + 10 * MINUTE)


class DeafQueue(MemoryQueue):
    """A queue without the message: a second receiver has already deleted it."""

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        raise ConnectionError(f"no message {receipt_handle} of {queue_arn} for {visibility}")


def test_a_worker_continues_if_its_message_cannot_be_hidden() -> None:
    def long(job: Job[Book]) -> Value:
        for _ in range(10):
            shop.clock.step(EVERY)
            job.progress(50)
        return Value(text="x")

    shop = Shop([long], queue=DeafQueue())
    assert shop.deliver(shop.keep()).status is Status.COMPLETED


# Stages


def first(job: Job[Book]) -> dict[str, Any]:
    return {"isbn": job.request.isbn}


def second(job: Job[Book]) -> Value:
    return Value(text=f"{job.output(first)['isbn']}!")


def third(job: Job[Book]) -> Value:
    return Value(text=job.output(second).text * 2)


def test_stages_run_in_order_and_see_earlier_outputs() -> None:
    shop = Shop([first, second, third])
    job = shop.deliver(shop.keep())
    assert job.result == Payload(text='{"text":"42!42!","pounds":0.0}')
    assert (job.stage, job.stages_completed) == (None, ("first", "second", "third"))


def test_the_row_names_the_running_stage() -> None:
    seen: list[tuple[str | None, tuple[str, ...]]] = []

    def watching(stage: Any) -> Any:
        def watched(job: Job[Book]) -> Any:
            row = shop.job(key)
            seen.append((row.stage, row.stages_completed))
            return stage(job)

        watched.__name__ = stage.__name__
        return watched

    shop = Shop([watching(first), watching(second), watching(third)])
    key = shop.keep()
    shop.deliver(key)
    assert seen == [("first", ()), ("second", ("first",)), ("third", ("first", "second"))]


def test_an_attempt_with_new_code_starts_over_and_the_row_shows_it() -> None:
    seen: list[tuple[str | None, tuple[str, ...]]] = []

    def fails_once(job: Job[Book]) -> Value:
        if job.attempt == 1:
            raise Retry("model_timeout", "silence", after=timedelta())
        return Value(text="x")

    def watched(_job: Job[Book]) -> dict[str, Any]:
        seen.append((shop.job(key).stage, shop.job(key).stages_completed))
        return {}

    shop = Shop([watched, fails_once])
    key = shop.keep()
    after = shop.deliver(key)
    assert (after.stage, after.stages_completed) == ("fails_once", ("watched",))  # the progress of the failed attempt
    shop.settings = some_settings(code_version="v8")
    assert shop.deliver(key).status is Status.COMPLETED
    assert seen == [("watched", ()), ("watched", ())]


def test_a_stage_is_not_started_without_the_lease() -> None:
    def lose(_job: Job[Book]) -> dict[str, Any]:
        shop.another_worker_claims(key)
        return {}

    def next_stage(_job: Job[Book]) -> Value:
        begun.append(True)
        return Value(text="x")

    begun: list[bool] = []
    shop = Shop([lose, next_stage])
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.fence, job.stage) == (Status.PROCESSING, 2, "lose")
    assert begun == []


# The lease is lost


@pytest.mark.parametrize(
    "end",
    [
        Value(text="stale"),
        Value(text="stale" * 10_000),
        Fail("stale", "stale"),
        Retry("stale", "stale"),
        Defer("stale", "stale"),
        ValueError("stale"),
    ],
    ids=lambda end: str(end)[:12],
)
def test_no_write_of_a_stale_worker_is_applied_whatever_its_outcome(end: Value | Exception) -> None:
    newer: list[JobRecord] = []

    def overtaken(_job: Job[Book]) -> Value:
        newer.append(shop.another_worker_claims(key))
        if isinstance(end, Exception):
            raise end
        return end

    shop = Shop([overtaken])
    key = shop.keep()
    assert shop.deliver(key) == newer[0]
    assert shop.queue.sent == []
    done = shop.store.transition(key, COMPLETE, Changes(), now=shop.clock.now(), read=newer[0])
    assert isinstance(done, Applied)  # the newer worker is not disturbed


def test_the_artifact_of_a_stale_worker_does_not_replace_the_newer_one() -> None:
    def overtaken(job: Job[Book]) -> Value:
        if job.attempt == 1:
            shop.let_the_lease_run_out(key)
            shop.deliver(key)
        return Value(text=f"attempt {job.attempt} " * 10_000)

    shop = Shop([overtaken])
    key = shop.keep()
    job = shop.deliver(key)
    assert job.result is not None
    assert json.loads(shop.artifacts.objects[str(job.result.key)])["text"].startswith("attempt 2 ")
    assert len(shop.artifacts.objects) == 2


def test_a_worker_that_loses_its_lease_stops_and_writes_nothing() -> None:
    stopped: list[bool] = []

    def work(job: Job[Book]) -> Value:
        newer.append(shop.another_worker_claims(key))
        shop.clock.step(EVERY)  # this beat is refused
        stopped.append(True)
        job.progress(99)
        raise AssertionError("it should have been stopped")

    newer: list[JobRecord] = []
    shop = Shop([work])
    key = shop.keep()
    assert shop.deliver(key) == newer[0]
    assert stopped == [True]
    assert shop.queue.extended == [VISIBLE_AGAIN]  # its message is not hidden again
    assert shop.queue.sent == []


def test_a_model_call_is_cancelled_when_the_lease_is_lost() -> None:
    def answer(_question: Any) -> Any:
        shop.another_worker_claims(key)
        shop.clock.step(EVERY)
        return says("a long answer that nobody needs any more")

    def ask(job: Job[Book]) -> Value:
        return Value(text=job.ask("how much?"))

    shop = Shop([ask], ScriptedModel(answer))
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.fence, job.usage) == (Status.PROCESSING, 2, Usage())


class CutOffStore(MemoryJobStore):
    """A store that is unreachable for some transitions."""

    def __init__(self, *unreachable: Transition) -> None:
        super().__init__()
        self.unreachable = unreachable

    def transition(
        self, key: JobKey, transition: Transition, changes: Changes, **more: Any
    ) -> Applied | ConditionFailed:
        if transition in self.unreachable:
            raise ConnectionError("no network")
        return super().transition(key, transition, changes, **more)


def test_a_worker_without_access_to_the_table_stops_when_its_lease_expires() -> None:
    def work(job: Job[Book]) -> Value:
        for _ in range(3):
            shop.clock.step(EVERY)
            job.progress(50)
        shop.clock.step(EVERY)
        job.progress(51)
        raise AssertionError("it should have been stopped")

    shop = Shop([work], store=CutOffStore(BEAT))
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.lease_until) == (Status.PROCESSING, START + LEASE)
    assert shop.sweeper.sweep() == {"requeue": 1}


@pytest.mark.parametrize("transition", [COMPLETE, RELEASE], ids=lambda transition: transition.name)
def test_an_end_that_cannot_be_written_returns_the_message(transition: Transition) -> None:
    def work(_job: Job[Book]) -> Value:
        if transition is RELEASE:
            raise Retry("model_timeout", "silence")
        return Value(text="x")

    store = CutOffStore(transition)
    shop = Shop([work], store=store)
    key = shop.keep()
    with pytest.raises(ConnectionError):
        shop.deliver(key)
    assert (shop.job(key).status, shop.queue.sent) == (Status.PROCESSING, [])
    store.unreachable = ()
    shop.clock.advance(LEASE)
    assert shop.deliver(key).attempt == 2  # the message is visible again after the lease


class ClosedQueue(MemoryQueue):
    """A queue that refuses every message."""

    def send(self, priority: str, job: JobKey, **options: Any) -> None:
        raise ConnectionError(f"{priority} does not take {job} ({options})")


def test_a_job_is_due_and_its_old_message_returns_if_the_next_message_cannot_be_sent() -> None:
    def work(_job: Job[Book]) -> Value:
        raise Retry("model_timeout", "silence", after=SECOND)

    shop = Shop([work], queue=ClosedQueue())
    key = shop.keep()
    with pytest.raises(ConnectionError):
        shop.deliver(key)
    assert (shop.job(key).status, shop.job(key).due_at) == (Status.QUEUED, START + SECOND + LEASE)


def test_a_killed_worker_leaves_no_running_heartbeat() -> None:
    def killed(_job: Job[Book]) -> Value:
        raise SystemExit(1)

    shop = Shop([killed])
    key = shop.keep(max_attempts=1)
    with pytest.raises(SystemExit):
        shop.deliver(key)
    assert (shop.job(key).status, shop.job(key).attempt) == (Status.PROCESSING, 1)
    shop.clock.advance(LEASE)
    assert shop.sweeper.sweep() == {"fail": 1}
    assert shop.job(key).status is Status.FAILED
