"""Ending a job early with its result, and the metrics of waiting and processing time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from analysis_jobs import Job, Retry
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.record import MAX_HISTORY, HistoryEntry
from analysis_jobs.jobs.timing import processing_time, wait_time
from analysis_jobs.jobs.transitions import Status
from tests.handlers.builders import MINUTE, SECOND, START, Book, Shop, Value, a_job


def never(_job: Job[Book]) -> Value:
    raise AssertionError("a stage after the end")


def early(job: Job[Book]) -> NoReturn:
    job.finish(Value(text="little"))


def read(_job: Job[Book]) -> dict[str, int]:
    return {"pages": 3}


def result_of(shop: Shop, **fields: Any) -> Any:
    job = shop.deliver(shop.keep(**fields))
    assert job.result
    return job, load_json(shop.artifacts, job.result)


def test_a_stage_may_end_the_job_with_its_result() -> None:
    job, result = result_of(Shop([read, early, never]))
    assert (job.status, job.progress, job.stage, job.failure) == (Status.COMPLETED, 100, None, None)
    assert job.stages_completed == ("read", "early")
    assert result == {"text": "little", "pounds": 0}


def test_catching_every_exception_does_not_prevent_the_early_end() -> None:
    left: list[str] = []

    def careless(job: Job[Book]) -> Value:
        try:
            job.finish({"text": "as JSON"})
        except Exception:  # noqa: BLE001 - that is what is shown
            return Value(text="swallowed")
        finally:
            left.append("finally")

    _, result = result_of(Shop([careless]))
    assert (result["text"], left) == ("as JSON", ["finally"])


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_of_many_items_may_end_the_job(at_once: int) -> None:
    def many(job: Job[Book]) -> Value:
        def item(number: int) -> int:
            if number == 1:
                job.finish(Value(text="found"))
            return number

        job.each([0, 1, 2], item, at_once=at_once)
        raise AssertionError("not reached")

    job, result = result_of(Shop([many, never]))
    assert (result["text"], job.stages_completed) == ("found", ("many",))


def test_a_result_of_another_type_fails_the_job() -> None:
    def wrong(job: Job[Book]) -> Value:
        job.finish({"words": 3})

    shop = Shop([wrong, never])
    failed = shop.deliver(shop.keep())
    assert (failed.status, failed.failure and failed.failure.code) == (Status.FAILED, "result_invalid")


def test_a_worker_that_lost_the_lease_cannot_finish_the_job() -> None:
    shop = Shop([never])

    def lost(job: Job[Book]) -> Value:
        shop.another_worker_claims(key)
        job.finish(Value(text="stale"))

    shop.stages = [lost]
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.fence, job.result) == (Status.PROCESSING, 2, None)


# Waiting and processing


def entry(after: timedelta, transition: str, status: Status) -> HistoryEntry:
    return HistoryEntry(START + after, transition, status)


CLAIMED, QUEUED, DONE = Status.PROCESSING, Status.QUEUED, Status.COMPLETED
HISTORIES: dict[str, tuple[list[HistoryEntry], int, timedelta | None, timedelta | None]] = {
    "of a job that waits": ([], 0, None, None),
    "of a job that was cancelled before": ([entry(SECOND, "cancel", Status.CANCELLED)], 0, None, None),
    "of a job at work": ([entry(SECOND, "claim", CLAIMED)], 1, SECOND, None),
    "of one attempt": ([entry(SECOND, "claim", CLAIMED), entry(MINUTE, "complete", DONE)], 1, SECOND, 59 * SECOND),
    "with a pause": (
        [
            entry(SECOND, "claim", CLAIMED),
            entry(2 * SECOND, "release", QUEUED),
            entry(MINUTE, "claim", CLAIMED),
            entry(MINUTE + SECOND, "request_cancel", CLAIMED),
            entry(MINUTE + 3 * SECOND, "complete", DONE),
        ],
        2,
        SECOND,
        4 * SECOND,
    ),
    "of a job that was run again": (
        [
            entry(SECOND, "claim", CLAIMED),
            entry(MINUTE, "fail", Status.FAILED),
            entry(2 * MINUTE, "retry", QUEUED),
            entry(2 * MINUTE + 5 * SECOND, "claim", CLAIMED),
            entry(2 * MINUTE + 6 * SECOND, "complete", DONE),
        ],
        2,
        5 * SECOND,
        SECOND,
    ),
    "that was cut": (
        [entry(SECOND, "claim", CLAIMED), entry(MINUTE, "claim", CLAIMED), entry(MINUTE + SECOND, "complete", DONE)],
        MAX_HISTORY,
        SECOND,
        SECOND,
    ),
    "by clocks that differ": (
        [entry(-SECOND, "claim", CLAIMED), entry(-MINUTE, "complete", DONE)],
        1,
        0 * SECOND,
        0 * SECOND,
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_the_times_of_a_history(name: str) -> None:
    history, fence, wait, work = HISTORIES[name]
    status = history[-1].status if history else QUEUED
    job = a_job(created_at=START, status=status, history=tuple(history), fence=fence)
    assert (wait_time(job), processing_time(job)) == (wait, work)


def measured(act: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> list[tuple[str, float]]:
    """Return the time metrics that a call wrote. Each has the analysis as a dimension."""
    capsys.readouterr()
    act()
    found = []
    for line in capsys.readouterr().out.splitlines():
        for name in ("WaitSeconds", "ProcessingSeconds"):
            if f'"Name":"{name}","Unit":"Seconds"' in line:
                assert '"Dimensions":[["analysis","service"]]' in line
                assert '"analysis":"valuation"' in line
                found.append((name, float(line.split(f'"{name}":[')[1].split("]")[0])))
    return found


def test_each_time_is_recorded_once_at_its_transition(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop([early])
    key = shop.keep(created_at=START - MINUTE)
    assert measured(lambda: shop.deliver(key), capsys) == [("WaitSeconds", 60.0), ("ProcessingSeconds", 0.0)]


def test_a_second_attempt_does_not_count_as_a_second_wait(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_job: Job[Book]) -> Value:
        raise Retry("busy", "later", after=timedelta())

    shop = Shop([fails])
    key = shop.keep(created_at=START - MINUTE, max_attempts=2)
    assert measured(lambda: shop.deliver(key), capsys) == [("WaitSeconds", 60.0)]
    assert measured(lambda: shop.deliver(key), capsys) == [("ProcessingSeconds", 0.0)]


def test_jobs_ended_by_the_sweeper_are_recorded_too(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop([early])
    key = shop.keep(created_at=START - MINUTE, max_attempts=1)
    shop.another_worker_claims(key)
    shop.clock.advance(2 * MINUTE)
    assert measured(shop.sweeper.sweep, capsys) == [("ProcessingSeconds", 120.0)]
