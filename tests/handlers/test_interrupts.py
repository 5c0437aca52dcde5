"""The breaker: what is armed is cut when it trips, what is armed later at once, and what has been left never."""

import threading

import pytest

from analysis_jobs.base.cancellation import Breaker


def test_what_is_armed_is_cut_when_it_trips() -> None:
    breaker, cuts = Breaker(), list[str]()
    with breaker.armed(lambda: cuts.append("a")), breaker.armed(lambda: cuts.append("b")):
        assert cuts == []
        breaker.trip()
        assert cuts == ["a", "b"]


def test_what_is_armed_after_that_is_cut_at_once() -> None:
    breaker, cuts = Breaker(), list[str]()
    breaker.trip()
    for _ in range(2):
        with breaker.armed(lambda: cuts.append("late")):
            pass
    assert cuts == ["late", "late"]


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
def test_what_has_been_left_is_not_cut(error: BaseException | None) -> None:
    # What it used may be somebody else's by now.
    breaker, cuts = Breaker(), list[str]()
    try:
        with breaker.armed(lambda: cuts.append("left")):
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    breaker.trip()
    assert cuts == []


def test_one_cut_armed_twice_is_cut_as_often_as_it_is_armed() -> None:
    breaker, cuts = Breaker(), list[str]()

    def cut() -> None:
        cuts.append("x")

    with breaker.armed(cut):
        with breaker.armed(cut):
            pass
        breaker.trip()
    assert cuts == ["x"]


def test_nothing_slips_through_between_arming_and_tripping() -> None:
    for _ in range(200):
        breaker, cut = Breaker(), threading.Event()
        tripping = threading.Thread(target=breaker.trip)
        tripping.start()
        with breaker.armed(cut.set):
            assert cut.wait(60)
        tripping.join()
