"""Clocks: the system clock, the manual clock of tests, and the stored and serialized forms of a time."""

import random
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from analysis_jobs.base.clock import ManualClock, SystemClock, from_ms, rfc3339, to_ms
from tests.handlers.builders import MILLISECOND, MINUTE, SECOND, START, eventually


def test_the_system_clock_is_timezone_aware_in_utc_and_goes_forward() -> None:
    clock = SystemClock()
    before = datetime.now(UTC)
    first = clock.now()
    clock.sleep(MILLISECOND)
    assert before <= first
    assert first + MILLISECOND <= clock.now() + MILLISECOND / 2  # a sleep may end a little early on a coarse clock
    assert first.utcoffset() == timedelta()


def test_the_system_clock_waits_for_an_event_or_a_timeout() -> None:
    event = threading.Event()
    assert SystemClock().wait(event, MILLISECOND) is False
    event.set()
    assert SystemClock().wait(event, timedelta(hours=1)) is True


def test_a_manual_clock_moves_only_on_request() -> None:
    clock = ManualClock()
    assert clock.now() == START
    clock.sleep(MINUTE)
    clock.advance(-SECOND)
    assert clock.now() == START + MINUTE - SECOND


def test_a_wait_on_a_manual_clock_ends_when_the_clock_is_moved() -> None:
    clock = ManualClock()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(clock.wait(threading.Event(), MINUTE)))
    thread.start()
    thread.join(timeout=0.01)
    assert answers == []

    def is_over() -> bool:
        clock.advance(MINUTE)
        return not thread.is_alive()

    eventually(is_over)
    assert answers == [False]


def test_a_wait_on_a_manual_clock_ends_when_the_event_is_set() -> None:
    clock, event = ManualClock(), threading.Event()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(clock.wait(event, MINUTE)))
    thread.start()
    event.set()
    thread.join(timeout=60)
    assert answers == [True]
    assert clock.now() == START


def test_a_stored_time_is_read_back_to_the_millisecond() -> None:
    dice = random.Random(3)
    for _ in range(2_000):
        moment = START + timedelta(milliseconds=dice.randrange(-(10**12), 10**13))
        assert from_ms(to_ms(moment)) == moment


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (START, "2026-01-01T00:00:00.000Z"),
        (START + 456 * MILLISECOND, "2026-01-01T00:00:00.456Z"),
        (datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2026-06-30T23:30:00.000Z"),
    ],
)
def test_a_serialized_time_is_in_utc(moment: datetime, written: str) -> None:
    assert rfc3339(moment) == written
