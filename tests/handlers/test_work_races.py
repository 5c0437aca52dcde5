"""A worker, a sweeper and a lossy network: lost replies, and late writes."""

from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Defer, Job, Retry
from analysis_jobs.jobs.ports import Applied, ConditionFailed
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord
from analysis_jobs.jobs.transitions import (
    BEAT,
    CANCEL,
    CLAIM,
    COMPLETE,
    DEFER,
    FAIL,
    RELEASE,
    REQUEUE,
    RETRY,
    STOP,
    Status,
    Transition,
)
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.worker.worker import NoTimeLeft
from tests.handlers.builders import (
    MILLISECOND,
    MINUTE,
    NOTHING,
    SECOND,
    START,
    Book,
    Shop,
    Value,
    a_job,
    heartbeat_lives,
)
from tests.handlers.events import logged

LEASE, EVERY, SWEEP = MINUTE, 15 * SECOND, MINUTE


def gold(_job: Job[Book]) -> Value:
    return Value(text="gold")


class LossyStore(MemoryJobStore):
    """A store that loses the reply to some transitions. The client then repeats them, as boto3 does."""

    def __init__(self, *lossy: Transition) -> None:
        super().__init__()
        self.lossy = list(lossy)
        self.meanwhile: list[Any] = []

    def transition(
        self, key: JobKey, transition: Transition, changes: Changes, **more: Any
    ) -> Applied | ConditionFailed:
        if transition in self.lossy:
            self.lossy.remove(transition)
            super().transition(key, transition, changes, **more)
            while self.meanwhile:
                self.meanwhile.pop()()
        return super().transition(key, transition, changes, **more)


def test_a_worker_recognizes_its_own_claim_after_a_lost_reply() -> None:
    shop = Shop([gold], store=LossyStore(CLAIM))
    job = shop.deliver(shop.keep(max_attempts=1))
    assert (job.status, job.attempt, job.fence) == (Status.COMPLETED, 1, 1)


def test_each_claim_has_its_own_claimant_id() -> None:
    shop = Shop([gold])
    claimants = {shop.deliver(shop.keep()).claimant for _ in range(20)}
    assert len(claimants) == 20
    assert None not in claimants


def test_a_claim_with_a_reply_lost_for_longer_than_the_lease_is_invalid() -> None:
    store = LossyStore(CLAIM)
    shop = Shop([gold], store=store)
    key = shop.keep()

    def requeued() -> None:
        shop.clock.advance(LEASE)
        store.transition(key, REQUEUE, Changes({"lease_until": None}), now=shop.clock.now())
        store.jobs[key] = a_job(
            **vars(store.jobs[key]) | {"attempt": 3}
        )  # no attempt is left, so no worker may claim it

    store.meanwhile.append(requeued)
    job = shop.deliver(key)
    assert (job.status, job.result) == (Status.QUEUED, None)


@pytest.mark.parametrize("transition", [RELEASE, DEFER], ids=lambda transition: transition.name)
def test_a_requeued_job_is_sent_even_if_the_reply_to_its_write_was_lost(transition: Transition) -> None:
    def wait(_job: Job[Book]) -> Value:
        raise (Retry if transition is RELEASE else Defer)("code", "message", after=10 * SECOND)

    shop = Shop([wait], store=LossyStore(transition))
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, shop.queue.sent) == (Status.QUEUED, [("medium", key, 10 * SECOND)])
    assert [entry.transition for entry in job.history] == ["claim", transition.name]


def test_an_end_with_a_lost_reply_is_not_taken_for_a_stale_write() -> None:
    shop = Shop([gold], store=LossyStore(COMPLETE))
    with logged() as lines:
        job = shop.deliver(shop.keep())
    assert job.status is Status.COMPLETED
    assert [line["event"] for line in lines] == ["job.claimed", "stage.done", "job.complete"]


@pytest.mark.parametrize("ended", [COMPLETE, FAIL, STOP], ids=lambda transition: transition.name)
def test_a_late_beat_does_not_change_an_ended_job(ended: Transition) -> None:
    shop = Shop([gold])
    job = a_job(status=Status.PROCESSING, fence=1, attempt=1, lease_until=START + LEASE, cancel_asked_at=START)
    shop.store.create(job, None)
    over = shop.store.transition(job.key, ended, Changes({"due_at": None}), now=START, read=job).job
    late = shop.store.transition(
        job.key, BEAT, Changes({"lease_until": START + timedelta(days=1)}), now=START, read=job
    )
    assert late == ConditionFailed(over)


def test_a_running_beat_finishes_before_the_end_is_written() -> None:
    order: list[str] = []

    class Watched(MemoryJobStore):
        def transition(
            self, key: JobKey, transition: Transition, changes: Changes, **more: Any
        ) -> Applied | ConditionFailed:
            outcome = super().transition(key, transition, changes, **more)
            order.append(transition.name if isinstance(outcome, Applied) else f"{transition.name} refused")
            assert (transition is BEAT) == heartbeat_lives() or transition is CLAIM
            return outcome

    def work(_job: Job[Book]) -> Value:
        for _ in range(3):
            shop.clock.step(EVERY)
        shop.clock.advance(EVERY)  # the fourth beat is running
        return Value(text="x")

    shop = Shop([work], store=Watched())
    shop.deliver(shop.keep())
    assert order[-1] == "complete"
    assert "beat refused" not in order


def test_an_invocation_without_time_left_claims_no_job() -> None:
    shop = Shop([gold])
    key = shop.keep()
    before = shop.job(key)
    for time in (timedelta(), -SECOND):
        with pytest.raises(NoTimeLeft, match=key.job_id):
            shop.deliver(key, time=time)
    assert shop.job(key) == before
    assert shop.deliver(key, time=MILLISECOND).status is Status.COMPLETED


# The bound: within one lease and one sweep after its last sign of life, a job is running again or has ended


def in_hand(shop: Shop) -> JobKey:
    key = shop.keep(max_attempts=2)
    until = shop.clock.now() + LEASE
    shop.store.transition(key, CLAIM, Changes({"lease_until": until, "due_at": until}), now=shop.clock.now())
    return key


def step_by_step(shop: Shop, key: JobKey, *, within: timedelta) -> JobRecord:
    """Sweep once a minute without deliveries until the job changes. Fail if that takes too long."""
    before, begun = shop.job(key), shop.clock.now()
    while shop.job(key) == before:
        shop.clock.advance(SWEEP)
        shop.sweeper.sweep()
        assert shop.clock.now() - begun <= within, "the sweeper did not handle the job in time"
    return shop.job(key)


@pytest.mark.parametrize("beats", [0, 1, 40])
def test_the_job_of_a_dead_worker_is_requeued_within_a_lease_and_a_sweep(beats: int) -> None:
    shop = Shop([gold])
    key = in_hand(shop)
    for _ in range(beats):
        shop.clock.advance(EVERY)
        until = Changes({"lease_until": shop.clock.now() + LEASE})
        shop.store.transition(key, BEAT, until, now=shop.clock.now(), read=shop.job(key))
    job = step_by_step(shop, key, within=LEASE + SWEEP)
    assert (job.status, len(shop.queue.sent)) == (Status.QUEUED, 1)


@pytest.mark.parametrize("transition", [RELEASE, DEFER], ids=lambda transition: transition.name)
@pytest.mark.parametrize("wait", [timedelta(), 10 * SECOND, 5 * MINUTE, 15 * MINUTE, 20 * MINUTE])
def test_a_lost_message_is_sent_again_within_a_lease_and_a_sweep(transition: Transition, wait: timedelta) -> None:
    def put_back(_job: Job[Book]) -> Value:
        raise (Retry if transition is RELEASE else Defer)("code", "message", after=wait)

    shop = Shop([put_back])
    key = shop.keep()
    shop.deliver(key)
    shop.queue.sent.clear()
    step_by_step(shop, key, within=wait + LEASE + SWEEP)
    assert len(shop.queue.sent) == 1


def test_a_cancelled_job_of_a_dead_worker_ends_within_a_lease_and_a_sweep() -> None:
    shop = Shop([gold])
    key = in_hand(shop)
    shop.store.jobs[key] = a_job(**vars(shop.job(key)) | {"cancel_asked_at": START})
    assert step_by_step(shop, key, within=LEASE + SWEEP).status is Status.CANCELLED


@pytest.mark.parametrize("lost", ["requeue", "retry"])
def test_a_lost_message_of_the_sweeper_or_of_a_retry_is_sent_again(lost: str) -> None:
    shop = Shop([gold])
    key = in_hand(shop)
    if lost == "requeue":
        step_by_step(shop, key, within=LEASE + SWEEP)
    else:
        shop.store.transition(key, FAIL, Changes({"due_at": None}), now=START, read=shop.job(key))
        due = Changes({"due_at": START + 2 * MINUTE, "attempt": 0})
        shop.store.transition(key, RETRY, due, now=START, read=shop.job(key))
    shop.queue.sent.clear()
    step_by_step(shop, key, within=2 * MINUTE + SWEEP)
    assert len(shop.queue.sent) == 1


def test_an_ended_job_is_never_due() -> None:
    shop = Shop([gold])
    key = shop.keep()
    shop.store.transition(key, CANCEL, Changes({"due_at": None}), now=START)
    assert list(shop.store.due(START + timedelta(days=9_999))) == []
    assert isinstance(shop.store.transition(key, CLAIM, NOTHING, now=START), ConditionFailed)
