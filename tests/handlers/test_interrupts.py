"""The cancellation token: it runs registered callbacks on cancel, later ones at once, and removed ones never."""

import threading

import pytest

from analysis_jobs.base.cancellation import CancellationToken


def test_a_cancel_runs_every_registered_callback() -> None:
    cancellation, cuts = CancellationToken(), list[str]()
    with cancellation.on_cancel(lambda: cuts.append("a")), cancellation.on_cancel(lambda: cuts.append("b")):
        assert cuts == []
        cancellation.cancel()
        assert cuts == ["a", "b"]


def test_a_callback_registered_after_the_cancel_runs_at_once() -> None:
    cancellation, cuts = CancellationToken(), list[str]()
    cancellation.cancel()
    for _ in range(2):
        with cancellation.on_cancel(lambda: cuts.append("late")):
            pass
    assert cuts == ["late", "late"]


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
def test_a_removed_callback_does_not_run(error: BaseException | None) -> None:
    # Another call may use the same connection by now.
    cancellation, cuts = CancellationToken(), list[str]()
    try:
        with cancellation.on_cancel(lambda: cuts.append("left")):
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    cancellation.cancel()
    assert cuts == []


def test_a_callback_registered_twice_runs_once_for_each_active_registration() -> None:
    cancellation, cuts = CancellationToken(), list[str]()

    def cut() -> None:
        cuts.append("x")

    with cancellation.on_cancel(cut):
        with cancellation.on_cancel(cut):
            pass
        cancellation.cancel()
    assert cuts == ["x"]


def test_no_callback_is_lost_when_registration_and_cancel_race() -> None:
    for _ in range(200):
        cancellation, cut = CancellationToken(), threading.Event()
        tripping = threading.Thread(target=cancellation.cancel)
        tripping.start()
        with cancellation.on_cancel(cut.set):
            assert cut.wait(60)
        tripping.join()
