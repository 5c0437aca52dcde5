"""The slots of an invocation: jobs side by side, further messages for free slots, and isolation."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.base.clock import SystemClock
from analysis_jobs.jobs.ports import ReceivedMessage
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.slots import KeepMessage, Place, Slots, _Refill, _Run
from tests.handlers.builders import QUEUE_ARN, SECOND, eventually
from tests.handlers.events import logged

HOUR = timedelta(hours=1)
AT_ONCE = timedelta(milliseconds=1)


def body(number: int, **more: Any) -> str:
    return json.dumps({"tenant": "acme", "job_id": str(number), **more})


def record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "body": body(number, **more),
        "receiptHandle": f"r{number}",
        "eventSourceARN": QUEUE_ARN,
    }


@dataclass
class Lane:
    """The queue of an invocation. `waiting` are the bodies that a receive returns."""

    waiting: list[str] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    back: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def receive(self, queue_arn: str, most: int, wait: timedelta) -> Sequence[ReceivedMessage]:  # noqa: ARG002
        assert queue_arn == QUEUE_ARN
        self.asked.append(most)
        if self.error:
            raise self.error
        found, self.waiting = self.waiting[:most], self.waiting[most:]
        return [
            ReceivedMessage(f"m{json.loads(each)['job_id']}", each, f"r{json.loads(each)['job_id']}") for each in found
        ]

    def delete(self, queue_arn: str, receipt_handle: str) -> None:  # noqa: ARG002
        if self.error:
            raise self.error
        self.deleted.append(receipt_handle)

    def put_back(self, queue_arn: str, body: str, tenant: str) -> None:  # noqa: ARG002
        if self.error:
            raise self.error
        self.back.append((body, tenant))

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        raise NotImplementedError

    def extend_all(self, queue_arn: str, receipt_handles: Sequence[str], visibility: timedelta) -> Mapping[str, str]:
        raise NotImplementedError


@dataclass
class Work:
    """Handles records. `steps` are called with the number of the job; a missing one does nothing."""

    steps: dict[str, Callable[[], None]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)

    def __call__(self, given: dict[str, Any], place: Place) -> None:
        number = json.loads(given["body"])["job_id"]
        self.places[number] = place
        self.steps.get(number, lambda: None)()
        self.done.append(number)


def slots(
    lane: Lane,
    *,
    count: int = 3,
    left: timedelta = HOUR,
    expected: timedelta = SECOND,
    interval: timedelta = AT_ONCE,
) -> Slots:
    clock = SystemClock()
    return Slots(count, lane, clock, clock.now() + left, expected, interval)


def until(condition: Callable[[], bool]) -> Callable[[], None]:
    return lambda: eventually(condition)


def rest() -> None:
    """Give the invocation time to ask, if it does."""
    threading.Event().wait(0.05)


def test_free_slots_are_filled_with_further_messages_and_these_are_deleted() -> None:
    lane, work = Lane([body(number) for number in range(2, 8)]), Work()
    work.steps["1"] = until(lambda: len(work.done) == 6)
    assert handle_batch([record(1)], work, slots(lane)) == {"batchItemFailures": []}
    assert sorted(work.done) == ["1", "2", "3", "4", "5", "6", "7"]
    assert sorted(lane.deleted) == ["r2", "r3", "r4", "r5", "r6", "r7"], "Lambda deletes the delivered message"
    assert max(lane.asked) == 2, "never more than the free slots"
    assert work.places["1"] == Place(shared=True)
    assert work.places["7"] == Place(shared=True, late=True)


def test_no_more_jobs_run_at_a_time_than_there_are_slots() -> None:
    lane, work = Lane([body(number) for number in range(2, 20)]), Work()
    lock, now, most = threading.Lock(), 0, 0

    def step() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.005)
        with lock:
            now -= 1

    work.steps = {str(number): step for number in range(1, 20)}
    work.steps["1"] = until(lambda: len(work.done) == 18)
    handle_batch([record(1)], work, slots(lane))
    assert most <= 2


def test_a_message_that_is_received_at_the_last_moment_is_handled() -> None:
    work, begun = Work(), threading.Event()

    class Late(Lane):
        def receive(self, queue_arn: str, most: int, wait: timedelta) -> Sequence[ReceivedMessage]:
            begun.set()
            eventually(lambda: "1" in work.done)  # the last job ends while the receive waits
            return super().receive(queue_arn, most, wait)

    lane = Late([body(2)])
    work.steps["1"] = until(begun.is_set)
    handle_batch([record(1)], work, slots(lane))
    assert (work.done, lane.deleted, lane.waiting) == (["1", "2"], ["r2"], [])


@pytest.mark.parametrize(
    ("left", "expected", "asks"),
    [(HOUR, timedelta(minutes=29), True), (HOUR, timedelta(minutes=31), False)],
    ids=["enough", "too little"],
)
def test_a_further_job_needs_twice_its_expected_time(left: timedelta, expected: timedelta, asks: bool) -> None:
    lane, work = Lane(), Work()
    work.steps["1"] = until(lambda: bool(lane.asked)) if asks else rest
    handle_batch([record(1)], work, slots(lane, left=left, expected=expected))
    assert bool(lane.asked) == asks


@pytest.mark.parametrize(("delivered", "asks"), [(10, True), (9, False)], ids=["a full batch", "a smaller one"])
def test_an_invocation_with_a_full_batch_asks_for_more_at_once(delivered: int, asks: bool) -> None:
    """Other invocations wait for the interval, which is longer than this test here."""
    lane, work = Lane([body(number) for number in range(11, 21)]), Work()
    asked: list[int] = []

    def step() -> None:
        (until(lambda: len(work.places) == 20) if asks else rest)()
        asked.extend(lane.asked)

    work.steps = {str(number): until(lambda: "1" in work.done) for number in range(2, 21)} | {"1": step}
    handle_batch([record(number) for number in range(1, delivered + 1)], work, slots(lane, count=20, interval=HOUR))
    assert asked == ([10] if asks else [])


def test_an_invocation_with_a_full_batch_waits_after_an_empty_receive() -> None:
    lane, work = Lane(), Work()
    work.steps["1"] = until(lambda: bool(lane.asked))
    work.steps |= {str(number): rest for number in range(2, 11)}
    with logged():
        handle_batch([record(number) for number in range(1, 11)], work, slots(lane, count=20, interval=HOUR))
    assert lane.asked[0] == 10
    assert len(lane.asked) <= 1 + 10, "once at first, and once for each job that ended"


@pytest.mark.parametrize("count", [2, 10])
def test_an_invocation_without_a_free_slot_asks_at_once_when_a_job_has_ended(count: int) -> None:
    lane, work = Lane([body(11)]), Work()
    work.steps |= {str(number): until(lambda: "11" in work.done) for number in range(2, 11)}
    handle_batch([record(number) for number in range(1, count + 1)], work, slots(lane, count=count, interval=HOUR))
    assert lane.asked[0] == 1
    assert lane.deleted == ["r11"]


def test_a_full_batch_with_a_job_that_must_run_alone_asks_for_nothing() -> None:
    lane, work = Lane([body(11)]), Work()
    given = [record(1, alone=True), *(record(number) for number in range(2, 11))]
    handle_batch(given, work, slots(lane, count=20, interval=HOUR))
    assert (work.done, lane.asked, len(lane.back)) == (["1"], [], 9)


def test_an_idle_queue_is_asked_a_bounded_number_of_times() -> None:
    lane, work = Lane(), Work()

    def step() -> None:
        eventually(lambda: len(lane.asked) == 12)
        threading.Event().wait(0.05)

    work.steps["1"] = step
    handle_batch([record(1)], work, slots(lane))
    assert lane.asked == [2] * 12


def test_the_end_of_a_job_makes_the_invocation_ask_again() -> None:
    lane, work = Lane(), Work()
    work.steps |= {"1": until(lambda: len(lane.asked) > 12), "2": until(lambda: len(lane.asked) == 12)}
    handle_batch([record(1), record(2)], work, slots(lane))
    assert lane.asked[:13] == [1] * 12 + [2]


def test_one_slot_receives_nothing() -> None:
    lane, work = Lane([body(2)]), Work()
    work.steps["1"] = rest
    handle_batch([record(1)], work, slots(lane, count=1))
    assert (work.done, lane.asked, work.places["1"]) == (["1"], [], Place())


def test_a_fifo_queue_receives_nothing() -> None:
    lane, work = Lane([body(2)]), Work()
    handle_batch([record(1) | {"eventSourceARN": f"{QUEUE_ARN}.fifo"}], work, slots(lane))
    assert (work.done, lane.asked, work.places["1"]) == (["1"], [], Place())


@pytest.mark.parametrize("failure", [OSError("no route"), SystemExit(1), KeepMessage()], ids=repr)
def test_a_failed_message_stays_in_the_queue(failure: BaseException) -> None:
    def fail() -> None:
        raise failure

    lane, work = Lane([body(2)]), Work()
    work.steps |= {"1": until(lambda: "2" in work.places), "2": fail}
    assert handle_batch([record(1)], work, slots(lane)) == {"batchItemFailures": []}
    assert lane.deleted == [], "its visibility timeout brings the message back"


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_failed_message_ends_the_refill(succeeded: bool) -> None:
    lane = Lane()
    refill = _Refill(slots(lane))
    refill.has_ended(_Run(record(1), Place(), None, succeeded))
    assert bool(refill.free([])) == succeeded


def test_a_long_job_shows_that_jobs_take_longer_than_expected() -> None:
    lane, now = Lane(), SystemClock().now()
    refill = _Refill(slots(lane, left=HOUR, expected=SECOND))
    running = _Run(record(1), Place(), now - timedelta(minutes=49))
    assert not refill.free([running])


def test_an_error_of_the_queue_does_not_stop_the_jobs() -> None:
    lane, work = Lane(error=ConnectionError("no route")), Work()
    work.steps["1"] = until(lambda: bool(lane.asked))
    with logged() as lines:
        assert handle_batch([record(1)], work, slots(lane)) == {"batchItemFailures": []}
    assert [line["event"] for line in lines] == ["batch.not_refilled"]


def test_a_message_that_cannot_be_deleted_comes_back() -> None:
    lane, work = Lane([body(2)]), Work()

    def lose_the_queue() -> None:
        lane.error = ConnectionError("no route")

    work.steps |= {"1": until(lambda: "2" in work.done), "2": lose_the_queue}
    with logged() as lines:
        assert handle_batch([record(1)], work, slots(lane)) == {"batchItemFailures": []}
    assert "message.not_deleted" in [line["event"] for line in lines]


# Jobs that must run alone


def test_a_job_that_must_run_alone_gets_the_invocation_and_the_others_go_back() -> None:
    lane, work = Lane([body(4)]), Work()
    given = [record(1), record(2, alone=True), record(3)]
    assert handle_batch(given, work, slots(lane)) == {"batchItemFailures": []}
    assert (work.done, work.places["2"], lane.asked) == (["2"], Place(), [])
    assert lane.back == [(body(1), "acme"), (body(3), "acme")]


def test_a_full_batch_of_jobs_that_must_run_alone_runs_one_of_them() -> None:
    """As after the death of twenty neighbours: each of the others gets its turn in a later invocation."""
    lane, work = Lane([body(number, alone=True) for number in range(11, 21)]), Work()
    handle_batch([record(number, alone=True) for number in range(1, 11)], work, slots(lane, count=20))
    assert (work.done, lane.asked, lane.deleted) == (["1"], [], [])
    assert lane.back == [(body(number, alone=True), "acme") for number in range(2, 11)]


def test_messages_that_cannot_be_sent_again_are_returned() -> None:
    lane, work = Lane(error=ConnectionError("no route")), Work()
    answer = handle_batch([record(1), record(2, alone=True)], work, slots(lane))
    assert (work.done, answer) == (["2"], {"batchItemFailures": [{"itemIdentifier": "m1"}]})


def test_a_refill_puts_a_job_back_that_must_run_alone_and_asks_no_more() -> None:
    lane, work = Lane([body(2, alone=True), body(3)]), Work()
    work.steps["1"] = until(lambda: "3" in work.done)
    handle_batch([record(1)], work, slots(lane))
    assert (sorted(work.done), lane.back) == (["1", "3"], [(body(2, alone=True), "acme")])
    assert sorted(lane.deleted) == ["r2", "r3"]
    assert len(lane.asked) == 1


# Isolation


def test_jobs_of_an_invocation_share_no_thread_local_and_no_context_variable() -> None:
    local, variable = threading.local(), ContextVar("variable", default="")
    seen: list[tuple[Any, str]] = []
    lane, work = Lane([body(number) for number in range(2, 12)]), Work()

    def step() -> None:
        seen.append((getattr(local, "value", ""), variable.get()))
        local.value = "secret"
        variable.set("secret")

    work.steps = {str(number): step for number in range(2, 12)}
    work.steps["1"] = until(lambda: len(work.done) == 10)
    handle_batch([record(1)], work, slots(lane))
    assert seen == [("", "")] * 10


@pytest.mark.parametrize("failure", [ValueError("x"), SystemExit(3), RecursionError(), MemoryError()], ids=repr)
def test_an_error_of_a_job_returns_its_own_message_only(failure: BaseException) -> None:
    def fail() -> None:
        raise failure

    work = Work({"2": fail})
    answer = handle_batch([record(1), record(2), record(3)], work)
    assert (sorted(work.done), answer) == (["1", "3"], {"batchItemFailures": [{"itemIdentifier": "m2"}]})


def test_a_stalled_job_does_not_hold_up_its_neighbours() -> None:
    lane, work = Lane([body(number) for number in range(3, 9)]), Work()
    work.steps["1"] = until(lambda: len(work.done) == 7)
    handle_batch([record(1), record(2)], work, slots(lane))
    assert work.done[-1] == "1"
