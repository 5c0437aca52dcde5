"""The sign of life: it renews the lease while the block runs, notices its loss, and ends with the block."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from threading import Event

import pytest

from analysis_jobs.base.errors import CancelAsked, OutOfTime, Stopped
from analysis_jobs.worker.heartbeat import Heartbeat
from tests.handlers.builders import MILLISECOND, MINUTE, SECOND, START, SteppedClock, eventually, heartbeat_lives

EVERY = 15 * SECOND
type Beat = Callable[[], datetime]


@pytest.fixture
def stepped() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not heartbeat_lives()


def heartbeat(beat: Beat, clock: SteppedClock, *, time: timedelta | None = None) -> Heartbeat:
    """Return the heartbeat of a lease that runs a minute from now, in an invocation of `time`."""
    return Heartbeat(beat, EVERY, clock.now() + MINUTE, clock, None if time is None else clock.now() + time)


def script(*answers: datetime | BaseException) -> tuple[Beat, list[int]]:
    """Return a beat that gives or raises `answers` in their order, and the beats there were."""
    beats: list[int] = []

    def beat() -> datetime:
        beats.append(len(beats))
        answer = answers[len(beats) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return beat, beats


def test_it_beats_in_its_rhythm_and_not_before(stepped: SteppedClock) -> None:
    beat, beats = script(*[START + timedelta(hours=1)] * 3)
    with heartbeat(beat, stepped):
        stepped.step(EVERY - MILLISECOND)
        assert len(beats) == 0
        for number in (1, 2, 3):
            stepped.step(EVERY)
            assert len(beats) == number


def test_its_thread_has_ended_when_the_block_is_left(stepped: SteppedClock) -> None:
    beat, beats = script()
    with heartbeat(beat, stepped):
        eventually(heartbeat_lives)
    assert not heartbeat_lives()
    stepped.advance(timedelta(days=1))
    assert beats == []


def test_its_thread_has_ended_when_the_block_is_left_by_an_error(stepped: SteppedClock) -> None:
    beat, _ = script()
    with pytest.raises(KeyboardInterrupt), heartbeat(beat, stepped):
        raise KeyboardInterrupt
    assert not heartbeat_lives()


def test_the_block_is_not_left_before_a_beat_on_its_way_has_returned(stepped: SteppedClock) -> None:
    begun, ended = Event(), Event()

    def slow_beat() -> datetime:
        begun.set()
        Event().wait(0.02)
        ended.set()
        return START + MINUTE

    with heartbeat(slow_beat, stepped):
        eventually(lambda: stepped.rests)
        stepped.advance(EVERY)
        assert begun.wait(60)
    assert ended.is_set()


def test_work_goes_on_while_the_lease_is_renewed(stepped: SteppedClock) -> None:
    def renew() -> datetime:
        return stepped.now() + MINUTE

    with heartbeat(renew, stepped) as heart:
        for _ in range(100):
            stepped.step(EVERY)
            heart.check()


def test_work_stops_when_the_lease_was_lost(stepped: SteppedClock) -> None:
    beat, beats = script(START + timedelta(hours=1), Stopped("the lease is lost"))
    with heartbeat(beat, stepped) as heart:
        stepped.step(EVERY)
        heart.check()
        stepped.step(EVERY)
        with pytest.raises(Stopped):
            heart.check()
        assert not heartbeat_lives()  # nothing is renewed that belongs to another
    assert len(beats) == 2


def test_failures_are_borne_until_the_lease_has_run_out(stepped: SteppedClock) -> None:
    beat, _ = script(*[TimeoutError("no network")] * 10)
    with heartbeat(beat, stepped) as heart:
        for _ in range(3):
            stepped.step(EVERY)
            heart.check()
        stepped.step(EVERY - MILLISECOND)
        heart.check()
        stepped.step(MILLISECOND)
        with pytest.raises(Stopped):
            heart.check()


def test_a_beat_after_failures_renews_the_lease(stepped: SteppedClock) -> None:
    down, renewed = TimeoutError("no network"), START + 45 * SECOND + MINUTE
    beat, _ = script(down, down, renewed, down, down, down, down)
    with heartbeat(beat, stepped) as heart:
        for _ in range(6):
            stepped.step(EVERY)
            heart.check()
        stepped.step(EVERY)
        with pytest.raises(Stopped):
            heart.check()


def test_a_lease_that_runs_out_while_a_beat_hangs_is_lost(stepped: SteppedClock) -> None:
    hanging, release = Event(), Event()

    def hang() -> datetime:
        hanging.set()
        release.wait(60)
        return START + timedelta(hours=1)

    with heartbeat(hang, stepped) as heart:
        eventually(lambda: stepped.rests)
        stepped.advance(EVERY)
        assert hanging.wait(60)
        heart.check()
        stepped.advance(MINUTE)
        with pytest.raises(Stopped):
            heart.check()
        release.set()


def test_the_lease_is_as_long_as_the_row_says_and_not_as_the_clock_of_the_start(stepped: SteppedClock) -> None:
    beat, _ = script()
    with Heartbeat(beat, EVERY, stepped.now() + SECOND, stepped) as heart:
        stepped.advance(SECOND)
        with pytest.raises(Stopped):
            heart.check()


# Why the work stops


def test_a_cancel_that_a_beat_brings_stops_the_work_and_cuts_it_off(stepped: SteppedClock) -> None:
    beat, beats = script(START + timedelta(hours=1), CancelAsked("a caller asked for it"))
    cut = Event()
    with heartbeat(beat, stepped) as heart, heart.cancellation.on_cancel(cut.set):
        stepped.step(EVERY)
        heart.check()
        assert not cut.is_set()
        stepped.step(EVERY)
        assert cut.is_set()
        for _ in range(2):  # whoever looks, and as often
            with pytest.raises(CancelAsked):
                heart.check()
    assert len(beats) == 2


@pytest.mark.parametrize(
    "answers",
    [[Stopped("the lease is lost")], [TimeoutError("no network")] * 4],
    ids=["the lease is refused", "the lease runs out"],
)
def test_a_lost_lease_cuts_the_work_off(stepped: SteppedClock, answers: list[BaseException]) -> None:
    beat, _ = script(*answers)
    cut = Event()
    with heartbeat(beat, stepped) as heart, heart.cancellation.on_cancel(cut.set):
        for _ in answers:
            assert not cut.is_set()
            stepped.step(EVERY)
        assert cut.is_set()


def test_the_work_stops_when_the_invocations_time_is_over(stepped: SteppedClock) -> None:
    beat, beats = script(*[START + timedelta(hours=1)] * 9)
    cut = Event()
    with heartbeat(beat, stepped, time=40 * SECOND) as heart, heart.cancellation.on_cancel(cut.set):
        assert heart.time_left() == 40 * SECOND
        for _ in range(2):
            stepped.step(EVERY)
        stepped.step(10 * SECOND - MILLISECOND)
        heart.check()
        assert (heart.time_left(), cut.is_set()) == (MILLISECOND, False)
        stepped.step(MILLISECOND)  # between two beats
        assert cut.is_set()
        with pytest.raises(OutOfTime):
            heart.check()
    assert len(beats) == 2, "the last breath is not for a beat"


def test_a_worker_notices_that_its_time_is_over_before_the_heartbeat_does(stepped: SteppedClock) -> None:
    beat, _ = script(*[START + timedelta(hours=1)] * 9)
    with heartbeat(beat, stepped, time=timedelta()) as heart, pytest.raises(OutOfTime):
        heart.check()


def test_without_an_end_there_is_time_for_everything(stepped: SteppedClock) -> None:
    beat, _ = script()
    assert heartbeat(beat, stepped).time_left() > timedelta(days=10_000)


def test_a_lost_lease_is_told_before_a_lack_of_time(stepped: SteppedClock) -> None:
    # Out of time one hands the job on, which is another's by now.
    beat, _ = script(*[TimeoutError("no network")] * 9)
    with heartbeat(beat, stepped, time=MINUTE) as heart:
        for _ in range(4):
            stepped.step(EVERY)
        with pytest.raises(Stopped) as stopped:
            heart.check()
    assert type(stopped.value) is Stopped
