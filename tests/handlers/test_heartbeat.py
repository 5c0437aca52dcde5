"""The heartbeat renews the lease while the block runs, notices the loss of the lease, and ends with the block."""

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
    """Return the heartbeat of a lease of one minute, in an invocation with `time` left."""
    return Heartbeat(beat, EVERY, clock.now() + MINUTE, clock, None if time is None else clock.now() + time)


def script(*answers: datetime | BaseException) -> tuple[Beat, list[int]]:
    """Return a beat function that returns or raises `answers` in order, and the list of beats."""
    beats: list[int] = []

    def beat() -> datetime:
        beats.append(len(beats))
        answer = answers[len(beats) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return beat, beats


def test_it_beats_at_its_interval_and_not_earlier(stepped: SteppedClock) -> None:
    beat, beats = script(*[START + timedelta(hours=1)] * 3)
    with heartbeat(beat, stepped):
        stepped.step(EVERY - MILLISECOND)
        assert len(beats) == 0
        for number in (1, 2, 3):
            stepped.step(EVERY)
            assert len(beats) == number


def test_its_thread_has_ended_when_the_block_ends(stepped: SteppedClock) -> None:
    beat, beats = script()
    with heartbeat(beat, stepped):
        eventually(heartbeat_lives)
    assert not heartbeat_lives()
    stepped.advance(timedelta(days=1))
    assert beats == []


def test_its_thread_has_ended_when_the_block_raises(stepped: SteppedClock) -> None:
    beat, _ = script()
    with pytest.raises(KeyboardInterrupt), heartbeat(beat, stepped):
        raise KeyboardInterrupt
    assert not heartbeat_lives()


def test_the_block_ends_only_after_a_running_beat_returned(stepped: SteppedClock) -> None:
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


def test_the_work_stops_when_the_lease_is_lost(stepped: SteppedClock) -> None:
    beat, beats = script(START + timedelta(hours=1), Stopped("the lease is lost"))
    with heartbeat(beat, stepped) as heart:
        stepped.step(EVERY)
        heart.check()
        stepped.step(EVERY)
        with pytest.raises(Stopped):
            heart.check()
        assert not heartbeat_lives()  # the lease of another worker is not renewed
    assert len(beats) == 2


def test_failed_beats_are_tolerated_until_the_lease_expires(stepped: SteppedClock) -> None:
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


def test_a_successful_beat_after_failures_renews_the_lease(stepped: SteppedClock) -> None:
    down, renewed = TimeoutError("no network"), START + 45 * SECOND + MINUTE
    beat, _ = script(down, down, renewed, down, down, down, down)
    with heartbeat(beat, stepped) as heart:
        for _ in range(6):
            stepped.step(EVERY)
            heart.check()
        stepped.step(EVERY)
        with pytest.raises(Stopped):
            heart.check()


def test_a_lease_that_expires_during_a_hanging_beat_is_lost(stepped: SteppedClock) -> None:
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


def test_the_end_of_the_lease_comes_from_the_row_and_not_from_the_local_clock(stepped: SteppedClock) -> None:
    beat, _ = script()
    with Heartbeat(beat, EVERY, stepped.now() + SECOND, stepped) as heart:
        stepped.advance(SECOND)
        with pytest.raises(Stopped):
            heart.check()


# Why the work stops


def test_a_cancel_seen_by_a_beat_stops_the_work_and_its_calls(stepped: SteppedClock) -> None:
    beat, beats = script(START + timedelta(hours=1), CancelAsked("a caller asked for it"))
    cut = Event()
    with heartbeat(beat, stepped) as heart, heart.cancellation.on_cancel(cut.set):
        stepped.step(EVERY)
        heart.check()
        assert not cut.is_set()
        stepped.step(EVERY)
        assert cut.is_set()
        for _ in range(2):  # every check raises, in any thread
            with pytest.raises(CancelAsked):
                heart.check()
    assert len(beats) == 2


@pytest.mark.parametrize(
    "answers",
    [[Stopped("the lease is lost")], [TimeoutError("no network")] * 4],
    ids=["the lease is refused", "the lease runs out"],
)
def test_a_lost_lease_cancels_running_calls(stepped: SteppedClock, answers: list[BaseException]) -> None:
    beat, _ = script(*answers)
    cut = Event()
    with heartbeat(beat, stepped) as heart, heart.cancellation.on_cancel(cut.set):
        for _ in answers:
            assert not cut.is_set()
            stepped.step(EVERY)
        assert cut.is_set()


def test_the_work_stops_at_the_end_of_the_invocations_time(stepped: SteppedClock) -> None:
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
    assert len(beats) == 2, "no extra beat is sent at the end"


def test_a_check_notices_the_end_of_the_time_before_the_heartbeat_does(stepped: SteppedClock) -> None:
    beat, _ = script(*[START + timedelta(hours=1)] * 9)
    with heartbeat(beat, stepped, time=timedelta()) as heart, pytest.raises(OutOfTime):
        heart.check()


def test_without_a_deadline_the_time_left_is_unlimited(stepped: SteppedClock) -> None:
    beat, _ = script()
    assert heartbeat(beat, stepped).time_left() > timedelta(days=10_000)


def test_a_lost_lease_is_reported_before_a_lack_of_time(stepped: SteppedClock) -> None:
    # A worker out of time would continue the job in another invocation. Without the lease it must not.
    beat, _ = script(*[TimeoutError("no network")] * 9)
    with heartbeat(beat, stepped, time=MINUTE) as heart:
        for _ in range(4):
            stepped.step(EVERY)
        with pytest.raises(Stopped) as stopped:
            heart.check()
    assert type(stopped.value) is Stopped
