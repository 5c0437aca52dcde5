"""Cancelling or retrying a job while a live worker, a dead worker or an old message still refers to it."""

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
    return JobControl(shop.store, shop.queue, shop.artifacts, worker.analyses, shop.settings, shop.clock)


def test_a_worker_sees_a_cancel_at_the_next_beat_and_the_job_is_cancelled() -> None:
    reached: list[str] = []

    def work(job: Job[Book]) -> Value:
        reached.append("begun")
        control.cancel(key)
        job.progress(10)  # the worker does not know of the cancel yet
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


def test_the_error_of_a_cancelled_call_is_not_recorded_on_the_job() -> None:
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
def test_a_cancel_takes_precedence_over_a_retry(error: Exception) -> None:
    def fails(_job: Job[Book]) -> Value:
        control.cancel(key)  # no beat tells the worker of the cancel
        raise error

    shop = Shop([fails])
    control = control_of(shop)
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, shop.queue.sent, job.due_at) == (Status.CANCELLED, [], None)


def test_a_result_returned_before_the_worker_knows_of_the_cancel_is_kept() -> None:
    def quick(_job: Job[Book]) -> Value:
        control.cancel(key)
        return Value(text="gold")

    shop = Shop([quick])
    control = control_of(shop)
    key = shop.keep()
    assert shop.deliver(key).status is Status.COMPLETED


def test_the_sweeper_cancels_a_job_after_its_worker_died_and_no_worker_claims_it() -> None:
    shop = Shop([stage])
    control = control_of(shop)
    key = shop.keep(status=Status.PROCESSING, attempt=1, fence=1, lease_until=START + MINUTE, due_at=START + MINUTE)
    control.cancel(key)
    shop.clock.advance(MINUTE)
    assert shop.deliver(key).status is Status.PROCESSING, "the redelivered message does nothing"
    assert shop.sweeper.sweep() == {"cancel": 1}
    job = shop.job(key)
    assert (job.status, job.due_at, job.finished_at) == (Status.CANCELLED, None, START + MINUTE)
    assert (shop.queue.sent, shop.sweeper.sweep()) == ([], {})


def test_a_message_of_the_old_run_does_not_disturb_the_new_run() -> None:
    shop = Shop([stage], ScriptedModel(Retry("model_connection", "reset"), says("gold")))
    control = control_of(shop)
    key = shop.keep(attempt=2, max_attempts=3)
    assert shop.deliver(key).status is Status.FAILED
    control.retry(key)
    assert shop.deliver(key).status is Status.COMPLETED  # in either order of the messages
    assert shop.deliver(key).status is Status.COMPLETED
    assert (len(shop.model.questions), shop.job(key).attempt, shop.job(key).fence) == (2, 1, 2)
