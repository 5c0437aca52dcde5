"""The breaker: what is armed is cut when it trips, what is armed later at once, and what has been left never."""

import threading

import pytest

from analysis_jobs.base.cancellation import CancellationToken


def test_what_is_armed_is_cut_when_it_trips() -> None:
    cancellation, cuts = CancellationToken(), list[str]()
    with cancellation.on_cancel(lambda: cuts.append("a")), cancellation.on_cancel(lambda: cuts.append("b")):
        assert cuts == []
        cancellation.cancel()
        assert cuts == ["a", "b"]


def test_what_is_armed_after_that_is_cut_at_once() -> None:
    cancellation, cuts = CancellationToken(), list[str]()
    cancellation.cancel()
    for _ in range(2):
        with cancellation.on_cancel(lambda: cuts.append("late")):
            pass
    assert cuts == ["late", "late"]


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
def test_what_has_been_left_is_not_cut(error: BaseException | None) -> None:
    # What it used may be somebody else's by now.
    cancellation, cuts = CancellationToken(), list[str]()
    try:
        with cancellation.on_cancel(lambda: cuts.append("left")):
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    cancellation.cancel()
    assert cuts == []


def test_one_cut_armed_twice_is_cut_as_often_as_it_is_armed() -> None:
    cancellation, cuts = CancellationToken(), list[str]()

    def cut() -> None:
        cuts.append("x")

    with cancellation.on_cancel(cut):
        with cancellation.on_cancel(cut):
            pass
        cancellation.cancel()
    assert cuts == ["x"]


def test_nothing_slips_through_between_arming_and_tripping() -> None:
    for _ in range(200):
        cancellation, cut = CancellationToken(), threading.Event()
        tripping = threading.Thread(target=cancellation.cancel)
        tripping.start()
        with cancellation.on_cancel(cut.set):
            assert cut.wait(60)
        tripping.join()
