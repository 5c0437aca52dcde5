"""Workers that run several jobs and die: which deaths cost an attempt, and what runs alone afterwards."""

import json
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs import Fail, Job
from analysis_jobs.base.errors import OutOfTime
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.tiers import TierPointer
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from tests.handlers.aws import client
from tests.handlers.builders import MINUTE, QUEUE_ARN, START, Book, Shop, Value

SHARED, LATE = Invocation(shared=True), Invocation(shared=True, late=True)


def dying(times: int) -> Shop:
    """Return a shop with a worker that dies so many times."""
    deaths = [SystemExit(1)] * times

    def work(_job: Job[Book]) -> Value:
        if deaths:
            raise deaths.pop()
        return Value(text="done")

    return Shop([work])


def deliver(shop: Shop, key: JobKey, invocation: Invocation, *, alone: bool = False) -> JobRecord:
    shop.worker.handle(Message(key, QUEUE_ARN, "receipt", None, alone), None, invocation)
    return shop.job(key)


def die(shop: Shop, key: JobKey, invocation: Invocation, *, alone: bool = False) -> None:
    """Let a worker die during a job, and let its lease expire."""
    with pytest.raises(SystemExit):
        deliver(shop, key, invocation, alone=alone)
    shop.clock.advance(MINUTE)


def steps(job: JobRecord) -> list[str]:
    return [entry.transition for entry in job.history]


def test_the_first_death_beside_other_jobs_costs_no_attempt() -> None:
    shop = dying(1)
    key = shop.keep(max_attempts=1)
    die(shop, key, SHARED)
    back = deliver(shop, key, SHARED)
    assert (back.status, back.attempt, back.alone) == (Status.QUEUED, 0, True)
    assert back.failure
    assert back.failure.code == "worker_lost"
    assert shop.queue.alone == [True], "its next message asks for an invocation of its own"
    done = deliver(shop, key, Invocation(), alone=True)
    assert (done.status, done.attempt) == (Status.COMPLETED, 1)
    assert steps(done) == ["claim", "requeue_shared", "claim", "complete"]


def test_the_sweeper_gives_the_attempt_back_too() -> None:
    shop = dying(1)
    key = shop.keep(max_attempts=1)
    die(shop, key, SHARED)
    assert shop.sweeper.sweep() == {"requeue": 1}
    assert (shop.job(key).attempt, shop.job(key).alone, shop.queue.alone) == (0, True, [True])


def test_a_death_gives_all_twenty_jobs_of_an_invocation_their_attempt_back() -> None:
    shop = dying(20)
    keys = [shop.keep(max_attempts=1) for _ in range(20)]
    for key in keys:
        with pytest.raises(SystemExit):
            deliver(shop, key, SHARED)
    shop.clock.advance(MINUTE)
    assert shop.sweeper.sweep() == {"requeue": 20}
    assert {(shop.job(key).attempt, shop.job(key).alone) for key in keys} == {(0, True)}
    assert shop.queue.alone == [True] * 20
    done = [deliver(shop, key, Invocation(), alone=True) for key in keys]
    assert {(job.status, job.attempt) for job in done} == {(Status.COMPLETED, 1)}


def test_a_job_that_must_run_alone_is_not_run_beside_others() -> None:
    shop = dying(1)
    key = shop.keep()
    die(shop, key, SHARED)
    deliver(shop, key, SHARED)
    waiting = deliver(shop, key, SHARED)  # an older message of the same job
    assert (waiting.status, steps(waiting)) == (Status.QUEUED, ["claim", "requeue_shared"])


def test_each_death_alone_costs_an_attempt() -> None:
    shop = dying(4)
    key = shop.keep(max_attempts=3)
    die(shop, key, SHARED)
    shop.sweeper.sweep()
    for _ in range(3):
        die(shop, key, Invocation(), alone=True)
        shop.sweeper.sweep()
    job = shop.job(key)
    assert (job.status, job.attempt) == (Status.FAILED, 3)
    assert steps(job) == ["claim", "requeue_shared", *["claim", "requeue"] * 2, "claim", "abandon"]


def test_a_worker_with_one_slot_counts_each_death() -> None:
    shop = dying(1)
    key = shop.keep()
    die(shop, key, Invocation())
    assert (shop.sweeper.sweep(), shop.job(key).attempt, shop.job(key).alone) == ({"requeue": 1}, 1, None)


@pytest.mark.parametrize("by", ["message", "sweep"])
def test_a_cancel_before_the_death_ends_the_job(by: str) -> None:
    shop = dying(1)
    key = shop.keep()
    die(shop, key, SHARED)
    shop.store.jobs[key] = job = _with(shop.job(key), cancel_asked_at=START)
    if by == "message":
        assert deliver(shop, key, SHARED) == job
    shop.sweeper.sweep()
    assert shop.job(key).status is Status.CANCELLED


def test_a_death_after_the_deadline_ends_the_job() -> None:
    shop = dying(1)
    key = shop.keep(deadline=START + MINUTE)
    die(shop, key, SHARED)
    deliver(shop, key, SHARED)
    assert shop.sweeper.sweep() == {"fail": 1}
    failure = shop.job(key).failure
    assert failure
    assert failure.code == "deadline_passed"


def test_a_job_that_goes_on_after_an_error_still_asks_for_its_own_invocation() -> None:
    def work(_job: Job[Book]) -> Value:
        raise OutOfTime("the invocation ends")

    shop = Shop([work])
    key = shop.keep(alone=True)
    deliver(shop, key, Invocation(), alone=True)
    assert shop.queue.alone == [True]


# Jobs that begin late


def test_an_attempt_that_began_late_and_had_too_little_time_is_given_back_once() -> None:
    def work(_job: Job[Book]) -> Value:
        raise OutOfTime("the invocation's time is over")

    shop = Shop([work])
    key = shop.keep(max_attempts=2)
    first = deliver(shop, key, LATE)
    assert (first.status, first.attempt, steps(first)) == (Status.QUEUED, 0, ["claim", "defer"])
    second = deliver(shop, key, LATE)
    assert (second.status, second.attempt, steps(second)[2:]) == (Status.QUEUED, 1, ["claim", "release"])
    third = deliver(shop, key, Invocation())
    assert (third.status, third.attempt) == (Status.FAILED, 2)


def test_an_attempt_that_began_late_with_a_checkpoint_continues() -> None:
    def work(job: Job[Book]) -> Value:
        job.checkpoint("part", 1)
        raise OutOfTime("the invocation's time is over")

    shop = Shop([work])
    key = shop.keep()
    assert steps(deliver(shop, key, LATE)) == ["claim", "continue"]


def test_an_error_of_a_job_that_began_late_counts() -> None:
    def work(_job: Job[Book]) -> Value:
        raise Fail("no", "no")

    shop = Shop([work])
    assert deliver(shop, shop.keep(), LATE).status is Status.FAILED


# Messages


@pytest.mark.parametrize(("value", "alone"), [(True, True), (False, False), ("yes", False), (1, False)])
def test_a_message_says_whether_its_job_must_run_alone(value: Any, alone: bool) -> None:
    body = json.dumps({"tenant": "acme", "job_id": "1", "alone": value})
    assert Message.parse(body, QUEUE_ARN, "receipt").alone == alone


@mock_aws()
def test_a_message_that_asks_for_an_invocation_is_read_back() -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    queue = SqsJobQueue(sqs, {"medium": url})
    key = JobKey("acme", "1")
    queue.send("medium", key, dedupe="1", tier_rank=2, alone=True)
    queue.send("medium", key, dedupe="2")
    found = queue.receive(QUEUE_ARN, 10, timedelta())
    messages = [Message.parse(each.body, QUEUE_ARN, "receipt") for each in found]
    assert [(each.alone, each.tier_pointer) for each in messages] == [(True, TierPointer("medium", 2)), (False, None)]
    assert "alone" not in found[1].body, "earlier versions wrote it so"


def test_an_invocation_of_its_own_runs_the_messages_own_job() -> None:
    shop = dying(0)
    better = shop.keep(job_id="01better", tier="gold", tier_rank=0, lane_sort_key="00#01better")
    own = shop.keep(job_id="01own", tier="free", tier_rank=1, lane_sort_key="01#01own", alone=True)
    pointer = TierPointer("medium", 1)
    shop.worker.handle(Message(own, QUEUE_ARN, "receipt", pointer, alone=True))
    assert (shop.job(own).status, shop.job(better).status) == (Status.COMPLETED, Status.QUEUED)


def _with(job: JobRecord, **changes: Any) -> JobRecord:
    return JobRecord(**{**vars(job), **changes})
