"""A job that is cancelled, or run again, while a worker, a dead worker or an old message is about it."""

from typing import Any

import pytest

from analysis_jobs import Job, Retry
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.submission.control import JobControl
from tests.handlers.builders import MINUTE, SECOND, START, Book, ScriptedModel, Shop, Value, heartbeat_lives, says

EVERY = 15 * SECOND


def stage(job: Job[Book]) -> Value:
    return Value(text=job.ask("worth?"))


def control_of(shop: Shop) -> JobControl:
    worker = shop.worker
    return JobControl(shop.store, shop.queue, worker.analyses, shop.settings, shop.clock)


def test_a_worker_learns_of_a_cancel_with_the_next_beat_and_the_job_is_cancelled() -> None:
    reached: list[str] = []

    def work(job: Job[Book]) -> Value:
        reached.append("begun")
        control.cancel(key)
        job.progress(10)  # nobody has told us yet
        shop.clock.step(EVERY)
        reached.append("beaten")
        job.progress(50)
        raise AssertionError("it should have been stopped")

    shop = Shop([work])
    control = control_of(shop)
    key = shop.keep()
    job = shop.deliver(key)
    assert reached == ["begun", "beaten"]
    assert (job.status, job.finished_at, job.due_at) == (Status.CANCELLED, START + EVERY, None)
    assert (job.result, job.failure, job.lease_until) == (None, None, None)
    assert [entry.transition for entry in job.history] == ["claim", "request_cancel", "stop"]
    assert (shop.queue.sent, heartbeat_lives()) == ([], False)


def test_an_analysis_that_catches_everything_does_not_swallow_a_cancel() -> None:
    swallowed: list[Exception] = []

    def stubborn(job: Job[Book]) -> Value:
        control.cancel(key)
        shop.clock.step(EVERY)
        for _ in range(3):
            try:
                job.ask("again?")
            except Exception as error:  # noqa: BLE001 - as an analysis might
                swallowed.append(error)
        return Value(text="in spite of it")

    shop = Shop([stubborn], ScriptedModel(says("a"), says("b"), says("c")))
    control = control_of(shop)
    key = shop.keep()
    assert shop.deliver(key).status is Status.CANCELLED
    assert (swallowed, shop.model.questions) == ([], [])


def test_the_error_of_a_call_that_was_broken_off_is_none_of_the_jobs() -> None:
    def broken_off(_question: Any) -> Any:
        control.cancel(key)
        shop.clock.step(EVERY)
        raise Retry("model_connection", "the connection to the model failed")

    shop = Shop([stage], ScriptedModel(broken_off))
    control = control_of(shop)
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.failure) == (Status.CANCELLED, None)


@pytest.mark.parametrize("error", [Retry("a", "b"), OSError("disk")], ids=lambda error: type(error).__name__)
def test_a_job_that_would_be_tried_again_but_was_cancelled_is_cancelled(error: Exception) -> None:
    def fails(_job: Job[Book]) -> Value:
        control.cancel(key)  # no beat tells the worker
        raise error

    shop = Shop([fails])
    control = control_of(shop)
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, shop.queue.sent, job.due_at) == (Status.CANCELLED, [], None)


def test_a_result_that_is_there_before_the_cancel_is_known_is_kept() -> None:
    def quick(_job: Job[Book]) -> Value:
        control.cancel(key)
        return Value(text="gold")

    shop = Shop([quick])
    control = control_of(shop)
    key = shop.keep()
    assert shop.deliver(key).status is Status.COMPLETED


def test_a_cancelled_job_whose_worker_died_is_cancelled_by_the_sweeper_and_by_nobody_claimed() -> None:
    shop = Shop([stage])
    control = control_of(shop)
    key = shop.keep(status=Status.PROCESSING, attempt=1, fence=1, lease_until=START + MINUTE, due_at=START + MINUTE)
    control.cancel(key)
    shop.clock.advance(MINUTE)
    assert shop.deliver(key).status is Status.PROCESSING, "its message is back, and does nothing"
    assert shop.sweeper.sweep() == {"cancel": 1}
    job = shop.job(key)
    assert (job.status, job.due_at, job.finished_at) == (Status.CANCELLED, None, START + MINUTE)
    assert (shop.queue.sent, shop.sweeper.sweep()) == ([], {})


def test_a_message_of_the_old_run_does_no_harm_to_the_new_one() -> None:
    shop = Shop([stage], ScriptedModel(Retry("model_connection", "reset"), says("gold")))
    control = control_of(shop)
    key = shop.keep(attempt=2, max_attempts=3)
    assert shop.deliver(key).status is Status.FAILED
    control.retry(key)
    assert shop.deliver(key).status is Status.COMPLETED  # whichever message comes first
    assert shop.deliver(key).status is Status.COMPLETED
    assert (len(shop.model.questions), shop.job(key).attempt, shop.job(key).fence) == (2, 1, 2)
