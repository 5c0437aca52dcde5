"""The order by tier within a lane: the job that a message runs, and that every job runs."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic import BaseModel

from analysis_jobs import Analysis, Defer, Job, Retry, Tiers
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.tiers import TierPointer, TierRequest
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.wiring import _check_tiers
from analysis_jobs.worker.claims import CANDIDATES, Claims
from analysis_jobs.worker.message import Message
from tests.handlers.builders import MINUTE, QUEUE_ARN, SECOND, START, Book, Shop, Value, a_job, some_settings

ORDER = ("gold", "silver", "free")


class Chat(BaseModel):
    plan: str


def in_tier(tier_rank: int, number: int, **fields: Any) -> JobRecord:
    """Return a waiting job of a tier. `number` orders the jobs."""
    job_id = f"job{number:04}"
    waits = {
        "tier": ORDER[tier_rank],
        "tier_rank": tier_rank,
        "lane_sort_key": f"{tier_rank:02}#{job_id}",
        "due_at": START + 10 * MINUTE,
    }
    return a_job(job_id=job_id, **(waits | fields))


def tier_pointer(job: JobRecord, *, delayed: bool = False) -> TierPointer:
    assert job.tier_rank is not None
    return TierPointer(job.priority, job.tier_rank, delayed=delayed)


def done(_: Job[Book]) -> Value:
    return Value(text="done")


def shop_of(*jobs: JobRecord, stage: Any = done) -> Shop:
    shop = Shop([stage])
    for job in jobs:
        shop.store.create(job, None)
    return shop


def deliver(shop: Shop, job: JobRecord, *, delayed: bool = False) -> None:
    shop.worker.handle(Message(job.key, QUEUE_ARN, f"receipt of {job.job_id}", tier_pointer(job, delayed=delayed)))
    shop.clock.advance(SECOND)


def ended(shop: Shop) -> list[str]:
    """Return the completed jobs in order of completion."""
    jobs = [job for job in shop.store.jobs.values() if job.status.ended]
    return [job.job_id for job in sorted(jobs, key=lambda job: job.finished_at or START)]


def test_a_message_runs_the_oldest_job_of_the_best_tier_in_its_lane() -> None:
    jobs = [in_tier(2, 1), in_tier(1, 2), in_tier(0, 4), in_tier(0, 3), in_tier(0, 0, priority="high")]
    shop = shop_of(*jobs)
    for job in jobs[:4]:
        deliver(shop, job)
    assert ended(shop) == ["job0003", "job0004", "job0002", "job0001"]


def test_a_message_runs_the_next_job_if_its_own_has_run() -> None:
    free, gold = in_tier(2, 1), in_tier(0, 2)
    shop = shop_of(free, gold)
    deliver(shop, free)
    deliver(shop, gold)
    assert ended(shop) == ["job0002", "job0001"]


def test_each_message_runs_exactly_one_job() -> None:
    jobs = [in_tier(0, number) for number in range(3)]
    shop = shop_of(*jobs)
    deliver(shop, jobs[2])
    assert len(ended(shop)) == 1


def test_a_job_without_a_tier_is_claimed_without_a_query_and_without_an_index_entry() -> None:
    class Blind(MemoryJobStore):
        def claimable(self, priority: str, limit: int) -> list[JobKey]:
            raise AssertionError((priority, limit))

    shop = Shop([done], store=Blind())
    job = shop.deliver(shop.keep())
    assert (job.status, job.lane_sort_key, job.tier_rank) == (Status.COMPLETED, None, None)


def test_the_heartbeat_renews_the_job_that_runs_and_extends_the_message_that_was_received() -> None:
    free, gold = in_tier(2, 1), in_tier(0, 2)
    shop = shop_of(free, gold)
    deliver(shop, free)
    assert {receipt for receipt, _ in shop.queue.extended} == {f"receipt of {free.job_id}"}
    assert shop.job(gold.key).claimed_via == free.key
    assert shop.job(free.key) == free


def test_a_claimed_job_is_not_in_the_order_of_its_lane() -> None:
    job = in_tier(0, 1)
    shop = shop_of(job)
    landed, claimed = Claims(shop.store, shop.queue, shop.settings, shop.clock).try_claim(job.key, None)
    assert landed
    assert claimed is not None
    assert (claimed.lane_sort_key, claimed.sort_key_in_lane, shop.store.claimable("medium", 5)) == (
        None,
        "00#job0001",
        [],
    )


def test_a_deferred_job_leaves_the_order_until_its_message_arrives() -> None:
    waits = iter((Defer("model_throttled", "wait", after=MINUTE),))

    def stage(job: Job[Book]) -> Value:
        if job.job_id == "job0001" and (told := next(waits, None)):
            raise told
        return Value(text="done")

    gold, free, silver = in_tier(0, 1), in_tier(2, 2), in_tier(1, 3)
    shop = shop_of(gold, free, stage=stage)
    deliver(shop, gold)
    assert shop.job(gold.key).lane_sort_key is None
    deliver(shop, free)  # no better job can be claimed
    assert ended(shop) == ["job0002"]
    shop.clock.advance(MINUTE)
    shop.store.create(silver, None)
    deliver(shop, silver)  # the gold job enters the order only when its delayed message arrives
    deliver(shop, gold, delayed=True)
    assert ended(shop) == ["job0002", "job0003", "job0001"]


def test_a_delayed_message_puts_its_job_into_the_order_before_it_runs_a_better_job() -> None:
    free = in_tier(2, 1, lane_sort_key=None, not_before=START)
    gold = in_tier(0, 2)
    shop = shop_of(free, gold)
    deliver(shop, free, delayed=True)
    assert ended(shop) == ["job0002"]
    assert shop.store.claimable("medium", 5) == [free.key]


def test_an_early_message_does_not_shorten_the_wait() -> None:
    free = in_tier(2, 1, lane_sort_key=None, not_before=START + MINUTE)
    shop = shop_of(free)
    deliver(shop, free, delayed=True)
    assert shop.job(free.key) == free


def test_an_error_with_an_immediate_retry_keeps_the_job_in_the_order() -> None:
    def stage(_: Job[Book]) -> Value:
        raise Retry("model_error", "again", after=timedelta())

    gold = in_tier(0, 1)
    shop = shop_of(gold, stage=stage)
    deliver(shop, gold)
    assert shop.job(gold.key).lane_sort_key == "00#job0001"
    assert shop.queue.ranks == [0]


def test_the_sweeper_requeues_a_crashed_job_and_the_redelivered_message_runs_the_best_job() -> None:
    free, gold = in_tier(2, 1), in_tier(0, 2)
    shop = shop_of(free, gold)
    crashed = Claims(shop.store, shop.queue, shop.settings, shop.clock).claim_for_message(free.key, tier_pointer(free))
    assert crashed is not None
    assert crashed.key == gold.key
    shop.clock.advance(shop.settings.lease)
    assert shop.sweeper.sweep() == {"requeue": 1}
    assert shop.store.claimable("medium", 5) == [gold.key, free.key]
    deliver(shop, free)
    deliver(shop, gold)
    assert ended(shop) == ["job0002", "job0001"]


def test_the_redelivered_message_of_a_crashed_worker_runs_the_crashed_job_if_no_other_waits() -> None:
    free, gold = in_tier(2, 1), in_tier(0, 2)
    shop = shop_of(free, gold)
    claims = Claims(shop.store, shop.queue, shop.settings, shop.clock)
    claims.claim_for_message(free.key, tier_pointer(free))
    deliver(shop, gold)  # runs the free job
    shop.clock.advance(shop.settings.lease)
    deliver(shop, free)  # redelivered: its own job has run, so it runs the crashed job
    assert ended(shop) == ["job0001", "job0002"]


def test_a_message_runs_its_own_job_if_the_order_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    class Blind(MemoryJobStore):
        def claimable(self, priority: str, limit: int) -> list[JobKey]:
            raise ConnectionError(f"{priority} {limit}")

    shop = Shop([done], store=Blind())
    free, gold = in_tier(2, 1), in_tier(0, 2)
    for job in (free, gold):
        shop.store.create(job, None)
    deliver(shop, free)
    assert ended(shop) == ["job0001"]
    assert "the order of the lane is unknown: the message runs its own job" in caplog.messages


def test_a_worker_reads_a_few_candidates_and_runs_its_own_job_if_all_are_taken() -> None:
    class Late(MemoryJobStore):
        """A store with the order from before the other jobs were claimed."""

        def claimable(self, priority: str, limit: int) -> list[JobKey]:
            assert (priority, limit) == ("medium", CANDIDATES)
            return [job.key for job in golds]

    golds = [in_tier(0, number, status=Status.CANCELLED, lane_sort_key=None) for number in range(CANDIDATES)]
    free = in_tier(2, 99)
    shop = Shop([done], store=Late())
    for job in (*golds, free):
        shop.store.create(job, None)
    deliver(shop, free)
    assert shop.job(free.key).status is Status.COMPLETED


class LaggingStore(MemoryJobStore):
    """A store with a lagging index: it shows the order of `lag` writes ago."""

    def __init__(self, lag: int) -> None:
        super().__init__()
        self._lag = lag
        self._views: list[dict[JobKey, JobRecord]] = []

    def keep_view(self) -> None:
        self._views.append(dict(self.jobs))

    def claimable(self, priority: str, limit: int) -> list[JobKey]:
        view = self._views[max(0, len(self._views) - 1 - self._lag)]
        places = sorted(
            (job.lane_sort_key, key) for key, job in view.items() if job.lane_sort_key and job.priority == priority
        )
        return [key for _, key in places][:limit]


@settings(max_examples=300, deadline=None)
@given(
    ranks=some.lists(some.integers(0, 2), min_size=1, max_size=14),
    lag=some.integers(0, 12),
    choose=some.randoms(use_true_random=False),
)
def test_the_messages_run_every_job_however_far_the_index_lags(ranks: Sequence[int], lag: int, choose: Any) -> None:
    """Each job has one message. Messages arrive once, in any order, and some before the last jobs exist."""
    store = LaggingStore(lag)
    jobs = [in_tier(tier_rank, number) for number, tier_rank in enumerate(ranks)]
    shop = Shop([done], store=store)
    coming, claims = list(jobs), Claims(store, shop.queue, shop.settings, shop.clock)
    messages: list[JobRecord] = []
    while coming or messages:
        if coming and (not messages or choose.random() < 0.5):
            store.create(coming[0], None)
            messages.append(coming.pop(0))
        else:
            message = messages.pop(choose.randrange(len(messages)))
            claims.claim_for_message(message.key, tier_pointer(message))
        store.keep_view()
    assert {job.status for job in store.jobs.values()} == {Status.PROCESSING}


def test_a_fresh_index_gives_the_exact_order() -> None:
    jobs = [in_tier(number * 7 % 3, number) for number in range(30)]
    shop = shop_of(*jobs)
    claims = Claims(shop.store, shop.queue, shop.settings, shop.clock)
    taken = [claims.claim_for_message(job.key, tier_pointer(job)) for job in reversed(jobs)]
    assert [job.sort_key_in_lane for job in taken if job] == sorted(str(job.sort_key_in_lane) for job in jobs)


# Tiers in the declaration of an analysis


def test_a_tier_comes_from_a_field_of_the_request_or_from_a_function() -> None:
    asked = TierRequest("acme", "users/1", None, None, Chat(plan="silver"))
    assert Tiers(order=ORDER, of="plan").find(asked) == "silver"
    assert Tiers(order=ORDER, of=lambda asked: "gold" if asked.tenant == "acme" else "free").find(asked) == "gold"
    assert Tiers(order=ORDER, of=lambda _: "platinum").find(asked) is None
    assert Tiers(order=ORDER, of="plan").tier_rank("free") == 2


@pytest.mark.parametrize("order", [(), ("gold", "gold"), tuple(map(str, range(101)))])
def test_an_empty_too_long_or_repeated_order_of_tiers_is_refused(order: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="give 1 to 100 different names"):
        Tiers(order=order, of="plan")


@pytest.mark.parametrize("tier", ["", " gold", "x" * 65])
def test_a_tier_with_an_invalid_name_is_refused(tier: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 64 characters"):
        Tiers(order=(tier,), of="plan")


def test_a_tier_from_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Book has no field 'plan'"):
        Analysis("valuation", request=Book, result=Value, stages=[done], tiers=Tiers(order=ORDER, of="plan"))


def test_tiers_and_fifo_queues_are_refused_together() -> None:
    def talk(_: Job[Chat]) -> Value:
        return Value(text="done")

    tiered = Analysis("chats", request=Chat, result=Value, stages=[talk], tiers=Tiers(order=ORDER, of="plan"))
    plain = Analysis("valuation", request=Book, result=Value, stages=[done])
    fifo: Settings = some_settings(queue_urls={"medium": "https://sqs/1/jobs.fifo"})
    assert len(_check_tiers(Analyses([plain]), fifo)) == 1
    assert len(_check_tiers(Analyses([tiered]), some_settings())) == 1
    with pytest.raises(ConfigurationError, match=r"^chats: tiers need standard queues"):
        _check_tiers(Analyses([tiered, plain]), fifo)


# Tiers in a message


def test_the_message_of_a_job_with_a_tier_has_its_lane_and_rank() -> None:
    body = '{"job_id": "1", "tenant": "acme", "lane": "low", "rank": 1, "held_back": true}'
    pointer = TierPointer("low", 1, delayed=True)
    assert Message.parse(body, QUEUE_ARN, "r") == Message(JobKey("acme", "1"), QUEUE_ARN, "r", pointer)
    assert json.loads(body) == {"job_id": "1", "tenant": "acme", **pointer.body()}, "messages in a queue stay readable"


@pytest.mark.parametrize(
    "wrong",
    [
        '"lane": "low"',
        '"rank": 1',
        '"lane": "low", "rank": "1", "held_back": false',
        '"lane": "low", "rank": -1, "held_back": false',
        '"lane": 1, "rank": 1, "held_back": false',
        '"lane": "low", "rank": 1, "held_back": 0',
    ],
)
def test_a_message_with_an_invalid_lane_or_rank_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a job message"):
        Message.parse(f'{{"job_id": "1", "tenant": "acme", {wrong}}}', QUEUE_ARN, "r")
