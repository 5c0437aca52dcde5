"""A caller's control over a submitted job: cancel it in any state, or retry it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Analysis, Job
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.dispatch import SEND_GRACE
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobStore
from analysis_jobs.jobs.record import MAX_HISTORY, Changes, HistoryEntry, JobFailure, JobKey, JobRecord
from analysis_jobs.jobs.request_errors import RequestError
from analysis_jobs.jobs.transitions import (
    BEAT,
    CANCEL,
    CLAIM,
    COMPLETE,
    FAIL,
    RELEASE,
    REQUEST_CANCEL,
    RETRY,
    STOP,
    Status,
    Transition,
)
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryQueue
from analysis_jobs.submission.control import JobControl
from analysis_jobs.sweeper.sweeper import Sweeper
from tests.handlers.builders import (
    MINUTE,
    NOTHING,
    SECOND,
    START,
    Book,
    Shop,
    Value,
    a_job,
    a_processing_job,
    some_settings,
)

EVERY = 15 * SECOND
FAILURE = JobFailure("model_timeout", "silence", retryable=True)
FAILED: dict[str, Any] = {
    "status": Status.FAILED,
    "attempt": 3,
    "fence": 5,
    "version": 12,
    "due_at": None,
    "deadline": START - MINUTE,
    "finished_at": START - MINUTE,
    "expires_at": START + timedelta(days=30),
    "failure": FAILURE,
    "progress": 70,
    "stage": "second",
    "stages_completed": ("first",),
    "checkpoints": {"first": "5.1-d-c"},
    "timeouts": {"second": 2},
}


def stage(job: Job[Book]) -> Value:
    return Value(text=job.ask("worth?"))


ANALYSES = Analyses(
    [
        Analysis(
            "valuation",
            request=Book,
            result=Value,
            stages=[stage],
            max_attempts=4,
            deadline=timedelta(hours=2),
        )
    ]
)


@dataclass
class Desk:
    """A control over a store, with the messages that it sends."""

    store: JobStore
    clock: ManualClock
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    @property
    def control(self) -> JobControl:
        return JobControl(self.store, self.queue, MemoryArtifactStore(), ANALYSES, some_settings(), self.clock)

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(self.store, self.queue, some_settings(), self.clock)

    def keep(self, job: JobRecord) -> JobKey:
        self.store.create(job, None)
        return job.key

    def job(self, key: JobKey) -> JobRecord:
        found = self.store.get(key)
        assert found
        return found

    def take(self, key: JobKey, transition: Transition, read: JobRecord | None = None, **changes: Any) -> JobRecord:
        outcome = self.store.transition(
            key, transition, Changes(changes), now=self.clock.now(), read=read or self.job(key)
        )
        assert isinstance(outcome, Applied), transition.name
        return outcome.job


@pytest.fixture
def desk(store: JobStore, clock: ManualClock) -> Desk:
    return Desk(store, clock)


def refused(act: Callable[[], object]) -> Problem:
    with pytest.raises(RequestError) as refusal:
        act()
    return problem_from(refusal.value)


# Cancelling


def test_a_waiting_job_is_cancelled_at_once(desk: Desk) -> None:
    key = desk.keep(a_job(failure=FAILURE, attempt=1, fence=1, not_before=START + MINUTE))
    job = desk.control.cancel(key)
    assert job == desk.job(key)
    assert (job.status, job.finished_at, job.due_at) == (Status.CANCELLED, START, None)
    assert (job.expires_at, job.cancel_asked_at) == (START + timedelta(days=30), START)
    assert [entry.transition for entry in job.history] == ["cancel"]
    assert set(desk.store.due(START + timedelta(days=999))) == set()


def test_a_running_job_is_asked_to_stop_and_its_worker_keeps_the_lease(desk: Desk) -> None:
    before = a_processing_job()
    key = desk.keep(before)
    job = desk.control.cancel(key)
    assert job == replace(before, version=before.version + 1, cancel_asked_at=START, history=job.history), (
        "the job is due when its lease expires"
    )
    desk.take(key, BEAT, before)  # the beat of the holder sees the request


@pytest.mark.parametrize("fields", [{}, {"status": Status.PROCESSING, "fence": 1, "lease_until": START + MINUTE}])
def test_a_second_cancel_changes_nothing(desk: Desk, fields: dict[str, Any]) -> None:
    key = desk.keep(a_job(**fields))
    first = desk.control.cancel(key)
    desk.clock.advance(SECOND)
    assert desk.control.cancel(key) == first == desk.job(key)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_an_ended_job_cannot_be_cancelled(desk: Desk, status: Status) -> None:
    key = desk.keep(a_job(**FAILED | {"status": status}))
    before = desk.job(key)
    problem = refused(lambda: desk.control.cancel(key))
    assert (problem.status, str(status) in problem.detail) == (409, True)
    assert desk.job(key) == before


def test_another_tenants_job_does_not_exist(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED))
    for act in (desk.control.cancel, desk.control.retry):
        problem = refused(lambda act=act: act(JobKey("globex", key.job_id)))  # type: ignore[misc]
        assert (problem.status, key.job_id in problem.detail) == (404, True)
    assert desk.job(key).status is Status.FAILED


# Retrying


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_retry_resets_the_attempts_and_keeps_the_finished_work(desk: Desk, status: Status) -> None:
    key = desk.keep(a_job(**FAILED | {"status": status, "cancel_asked_at": START - MINUTE}))
    before = desk.job(key)
    job = desk.control.retry(key)
    assert job == desk.job(key)
    assert job == replace(
        before,
        status=Status.QUEUED,
        version=13,
        attempt=0,
        max_attempts=4,
        deadline=START + timedelta(hours=2),
        due_at=START + 2 * MINUTE,
        progress=0,
        timeouts={},
        cancel_asked_at=None,
        expires_at=None,
        failure=None,
        finished_at=None,
        history=job.history,
    ), "checkpoints, usage and the fence are kept"
    assert [entry.transition for entry in job.history] == ["retry"]
    assert desk.queue.sent == [("medium", key, timedelta())]
    assert list(desk.store.due(START + 2 * MINUTE)) == [key], "the sweeper sends another message if this one is lost"


def test_a_second_retry_sends_no_message(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED))
    first = desk.control.retry(key)
    assert desk.control.retry(key) == first
    claimed = desk.take(key, CLAIM, lease_until=START + MINUTE)
    assert desk.control.retry(key) == claimed
    assert len(desk.queue.sent) == 1


def test_each_retry_has_its_own_deduplication_id(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED))
    for _ in range(3):
        desk.control.retry(key)
        desk.control.cancel(key)
    assert len(set(desk.queue.dedupes)) == 3


def test_a_retry_resets_the_count_of_sends_and_reuses_no_deduplication_id(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED | {"sends": 7}))
    for _ in range(3):
        assert desk.control.retry(key).sends == 1
        desk.clock.advance(SEND_GRACE)
        assert desk.sweeper.sweep() == {"resend": 1}
        desk.control.cancel(key)
    assert len(set(desk.queue.dedupes)) == 6


def test_a_retried_job_with_a_tier_enters_the_order_of_its_lane(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED | {"tier_rank": 1, "tier": "silver"}))
    assert desk.control.retry(key).lane_sort_key == f"01#{key.job_id}"
    assert desk.queue.ranks == [1]
    assert desk.control.cancel(key).lane_sort_key is None


def test_a_completed_job_is_not_retried(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED | {"status": Status.COMPLETED}))
    assert refused(lambda: desk.control.retry(key)).status == 409
    assert (desk.job(key).status, desk.queue.sent) == (Status.COMPLETED, [])


def test_a_job_of_a_removed_analysis_is_not_retried(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED | {"analysis": "gone"}))
    problem = refused(lambda: desk.control.retry(key))
    assert (problem.status, "'gone'" in problem.detail) == (409, True)


def test_a_retry_is_accepted_even_if_its_message_cannot_be_sent(desk: Desk) -> None:
    class Closed(MemoryQueue):
        def send(self, *_: Any, **__: Any) -> None:
            raise ConnectionError("no network")

    desk.queue = Closed()
    key = desk.keep(a_job(**FAILED))
    assert desk.control.retry(key).status is Status.QUEUED
    assert list(desk.store.due(START + 2 * MINUTE)) == [key]


def test_the_fencing_token_only_grows_and_no_write_of_the_old_run_is_applied(desk: Desk) -> None:
    key = desk.keep(a_job())
    old = desk.take(key, CLAIM, lease_until=START + MINUTE)
    desk.take(key, FAIL, old)
    desk.control.retry(key)
    for transition in (BEAT, COMPLETE, FAIL, RELEASE):
        assert isinstance(desk.store.transition(key, transition, NOTHING, now=START, read=old), ConditionFailed)
    new = desk.take(key, CLAIM, lease_until=START + MINUTE)
    assert new.fence == old.fence + 1
    for transition in (BEAT, COMPLETE, FAIL, RELEASE):
        assert isinstance(desk.store.transition(key, transition, NOTHING, now=START, read=old), ConditionFailed)
    desk.take(key, COMPLETE, new)


def test_retries_do_not_grow_the_history_without_limit(desk: Desk) -> None:
    key = desk.keep(a_job())
    desk.take(key, CLAIM, lease_until=START + MINUTE)
    for _ in range(15):
        desk.take(key, FAIL)
        desk.control.retry(key)
        desk.take(key, CLAIM, lease_until=START + MINUTE)
    assert len(desk.job(key).history) <= 42
    assert [entry.transition for entry in desk.job(key).history[-3:]] == ["fail", "retry", "claim"]


def test_a_long_history_keeps_the_request_to_cancel_however_the_job_ends(desk: Desk) -> None:
    waits = tuple(HistoryEntry(START - MINUTE, "defer", Status.QUEUED) for _ in range(MAX_HISTORY))
    for transition in (COMPLETE, FAIL, STOP):
        held = a_processing_job(history=waits)
        key = desk.keep(held)
        desk.control.cancel(key)
        history = desk.take(key, transition, held).history
        assert [entry.transition for entry in history[-2:]] == ["request_cancel", transition.name]


# Races: another writer changes the job between the read and the write


class WriteConflict:
    """A store that calls a function just before each of the first writes."""

    def __init__(self, store: JobStore, *happening: Callable[[], object]) -> None:
        self._store = store
        self._happening = list(happening)

    def transition(self, *arguments: Any, **options: Any) -> Applied | ConditionFailed:
        if self._happening:
            self._happening.pop(0)()
        return self._store.transition(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def overtaken(desk: Desk, *happening: Callable[[], object]) -> JobControl:
    return replace(desk.control, store=WriteConflict(desk.store, *happening))


def test_a_job_that_is_claimed_during_a_cancel_is_asked_to_stop(desk: Desk) -> None:
    key = desk.keep(a_job())
    control = overtaken(desk, lambda: desk.take(key, CLAIM, lease_until=START + MINUTE))
    job = control.cancel(key)
    assert (job.status, job.cancel_asked_at) == (Status.PROCESSING, START)


def test_a_job_that_is_requeued_during_a_cancel_is_cancelled(desk: Desk) -> None:
    key = desk.keep(a_processing_job())
    assert overtaken(desk, lambda: desk.take(key, RELEASE)).cancel(key).status is Status.CANCELLED


def test_a_job_that_completes_during_a_cancel_stays_completed(desk: Desk) -> None:
    key = desk.keep(a_processing_job())
    problem = refused(lambda: overtaken(desk, lambda: desk.take(key, COMPLETE)).cancel(key))
    assert (problem.status, desk.job(key).status) == (409, Status.COMPLETED)
    assert desk.job(key).cancel_asked_at is None


def test_two_simultaneous_cancels_cancel_the_job_once(desk: Desk) -> None:
    key = desk.keep(a_job())
    job = overtaken(desk, lambda: desk.control.cancel(key)).cancel(key)
    assert (job.status, [entry.transition for entry in job.history]) == (Status.CANCELLED, ["cancel"])


def test_two_simultaneous_retries_send_one_message(desk: Desk) -> None:
    key = desk.keep(a_job(**FAILED))
    assert overtaken(desk, lambda: desk.control.retry(key)).retry(key).status is Status.QUEUED
    assert len(desk.queue.sent) == 1


def test_a_job_that_keeps_changing_ends_in_a_conflict_instead_of_a_loop(desk: Desk) -> None:
    key = desk.keep(a_job())

    def back_and_forth() -> None:
        if desk.job(key).status is Status.QUEUED:
            desk.take(key, CLAIM, lease_until=START + MINUTE)
        else:
            desk.take(key, RELEASE, lease_until=None)

    control = overtaken(desk, *[back_and_forth] * 9)
    desk.store.create(replace(a_job(job_id=key.job_id), max_attempts=99), None)
    assert refused(lambda: control.cancel(key)).status == 409


def test_a_row_that_vanishes_during_a_retry_is_not_found(clock: ManualClock) -> None:
    shop = Shop([stage])
    key = shop.keep(**FAILED)
    desk = Desk(shop.store, clock)
    control = overtaken(desk, lambda: shop.store.jobs.pop(key))
    assert refused(lambda: control.retry(key)).status == 404


def test_the_transitions_of_a_caller_share_no_source_state() -> None:
    assert not CANCEL.sources.keys() & REQUEST_CANCEL.sources.keys()
    assert not RETRY.sources.keys() & (CANCEL.sources.keys() | REQUEST_CANCEL.sources.keys())
