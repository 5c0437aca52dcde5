"""An attempt resumes after the last finished stage, and continues in another invocation when time runs short."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Job, Retry, stage
from analysis_jobs.jobs.transitions import Status
from tests.handlers.attempts import BREAK, TIME, Chapter, Diary, run, steps
from tests.handlers.builders import (
    MINUTE,
    SECOND,
    START,
    Book,
    ScriptedModel,
    Shop,
    Value,
    says,
    some_settings,
)

# Resuming


def test_an_attempt_resumes_after_the_last_finished_stage() -> None:
    diary = Diary(fails=["third"])

    def first(_job: Job[Book]) -> dict[str, int]:
        diary.note("first")
        return {"n": 1}

    def second(job: Job[Book]) -> dict[str, int]:
        diary.note("second")
        return {"n": job.output(first)["n"] + 1}

    def third(job: Job[Book]) -> Value:
        diary.note("third")
        return Value(text=f"{job.output(first)} {job.output(second)}")

    job = run(Shop([first, second, third]))
    assert diary.done == ["first", "second", "third", "third"]
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)
    assert job.result
    assert job.result.text == '{"text":"{\'n\': 1} {\'n\': 2}","pounds":0.0}'
    assert job.stages_completed == ("first", "second", "third")


def test_a_restored_output_has_the_return_type_of_its_stage() -> None:
    diary, seen = Diary(fails=["write"]), list[Any]()

    def read(_job: Job[Book]) -> list[Chapter]:
        return [Chapter(title="One", read_at=START)]

    def write(job: Job[Book]) -> Value:
        seen.append(job.output(read))
        diary.note("write")
        return Value(text=job.output(read)[0].title)

    assert run(Shop([read, write])).status is Status.COMPLETED
    assert seen == [[Chapter(title="One", read_at=START)]] * 2


def test_a_later_stage_sees_the_same_output_before_and_after_a_restart() -> None:
    # Otherwise code that passes every test would fail after a worker crashes.
    diary, seen = Diary(fails=["write"]), list[Any]()

    def read(_job: Job[Book]):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return {"pages": (1, 2), "at": START}

    def write(job: Job[Book]) -> Value:
        seen.append(job.output(read))
        diary.note("write")
        return Value(text="x")

    run(Shop([read, write]))
    assert seen == [{"pages": [1, 2], "at": "2026-01-01T00:00:00Z"}] * 2


def test_new_code_that_cannot_parse_the_old_output_runs_the_stage_again() -> None:
    diary = Diary(fails=["old second"])

    @stage(survives_deploys=True)
    def first(_job: Job[Book]) -> dict[str, str]:
        diary.note("old first")
        return {"title": "Dune"}

    def second(_job: Job[Book]) -> Value:
        diary.note("old second")
        return Value(text="x")

    shop = Shop([first, second])
    key = shop.keep()
    shop.deliver(key)

    def newer() -> list[Callable[[Job[Book]], Any]]:
        @stage(survives_deploys=True)
        def first(_job: Job[Book]) -> Chapter:
            diary.note("new first")
            return Chapter(title="Dune", read_at=START)

        def second(job: Job[Book]) -> Value:
            return Value(text=job.output(first).title)

        return [first, second]

    shop.stages = newer()
    shop.settings = some_settings(code_version="v8")
    assert shop.deliver(key).status is Status.COMPLETED
    assert diary.done == ["old first", "old second", "new first"]


@pytest.mark.parametrize(("survives", "times"), [(False, 2), (True, 1)])
def test_a_deploy_runs_a_stage_again_unless_it_survives(*, survives: bool, times: int) -> None:
    diary = Diary(fails=["second"])

    @stage(survives_deploys=survives)
    def first(_job: Job[Book]) -> dict[str, int]:
        diary.note("first")
        return {}

    def second(_job: Job[Book]) -> Value:
        diary.note("second")
        return Value(text="x")

    shop = Shop([first, second])
    key = shop.keep()
    shop.deliver(key)
    shop.settings = some_settings(code_version="v8")
    assert shop.deliver(key).status is Status.COMPLETED
    assert diary.done.count("first") == times


def test_the_row_names_the_running_stage_after_another_stage_was_restored() -> None:
    seen: list[Any] = []
    diary = Diary(fails=["third"])

    def first(_job: Job[Book]) -> dict[str, int]:
        return {}

    @stage(survives_deploys=True)
    def second(_job: Job[Book]) -> dict[str, int]:
        diary.note("second")
        return {}

    def third(_job: Job[Book]) -> Value:
        seen.append((shop.job(key).stage, shop.job(key).stages_completed))
        diary.note("third")
        return Value(text="x")

    shop = Shop([first, second, third])
    key = shop.keep()
    shop.deliver(key)
    shop.settings = some_settings(code_version="v8")  # the first runs again, the second does not
    shop.deliver(key)
    assert diary.done == ["second", "third", "third"]
    assert seen == [("third", ("first", "second"))] * 2


def test_an_output_that_cannot_be_stored_fails_the_job_without_another_model_call() -> None:
    def first(_job: Job[Book]) -> Any:
        return {"socket": object()}

    def second(_job: Job[Book]) -> Value:
        raise AssertionError("it should not be begun")

    job = run(Shop([first, second]))
    assert job.failure
    assert (job.status, job.attempt, job.failure.code) == (Status.FAILED, 1, "checkpoint_invalid")


# Time


def taking(shop: list[Shop], diary: Diary, name: str, duration: timedelta, needs: timedelta | None = None) -> Any:
    """Return a stage that takes some time."""

    def work(job: Job[Book]) -> Value:
        diary.note(name)
        until = shop[0].clock.now() + duration
        while shop[0].clock.now() < until:
            shop[0].clock.step(min(15 * SECOND, until - shop[0].clock.now()))
            job.progress(50)
        return Value(text=name)

    work.__name__ = name
    return stage(needs=needs)(work)


def long_job(*durations: timedelta, needs: timedelta | None = None) -> tuple[Shop, Diary]:
    diary, shops = Diary(), list[Shop]()
    names = ["one", "two", "three", "four", "five"][: len(durations)]
    shops.append(Shop([taking(shops, diary, name, *pair, needs) for name, pair in zip(names, zip(durations))]))  # noqa: B905
    return shops[0], diary


def test_a_job_with_long_stages_completes_and_runs_each_stage_once() -> None:
    shop, diary = long_job(*[6 * MINUTE] * 5, needs=6 * MINUTE)
    job = run(shop, time=TIME, max_attempts=1)
    assert (job.status, diary.done) == (Status.COMPLETED, ["one", "two", "three", "four", "five"])
    assert (job.attempt, job.fence) == (1, 5), "a continuation spends no attempt"
    assert steps(job) == ["claim", "continue"] * 4 + ["claim", "complete"]
    assert job.finished_at == START + 30 * MINUTE, "the job never waited"


def test_a_stage_that_just_fits_is_started() -> None:
    shop, diary = long_job(4 * MINUTE, 6 * MINUTE - SECOND, needs=6 * MINUTE)
    assert steps(run(shop, time=TIME)) == ["claim", "complete"]
    assert diary.done == ["one", "two"]


def test_a_stage_without_needs_that_runs_out_of_time_runs_again_in_another_invocation() -> None:
    shop, diary = long_job(6 * MINUTE, 6 * MINUTE)
    job = run(shop, time=TIME, max_attempts=1)
    assert (job.status, diary.done) == (Status.COMPLETED, ["one", "two", "two"])
    assert steps(job) == ["claim", "continue", "claim", "complete"]


def test_no_stage_is_started_after_the_time_is_over() -> None:
    diary, shops = Diary(), list[Shop]()

    def one(_job: Job[Book]) -> dict[str, int]:
        diary.note("one")
        shops[0].clock.advance(TIME)  # the stage does not check its job
        return {}

    def two(_job: Job[Book]) -> Value:
        diary.note("two")
        return Value(text="x")

    shops.append(Shop([one, two], settings=some_settings(lease_s=3_600)))
    job = run(shops[0], time=TIME)
    assert (job.status, diary.done, steps(job)[:2]) == (Status.COMPLETED, ["one", "two"], ["claim", "continue"])


def test_a_stage_that_never_fits_is_tried_only_twice() -> None:
    shop, diary = long_job(MINUTE, 11 * MINUTE)
    job = run(shop, time=TIME, max_attempts=5)
    assert job.failure
    assert (job.status, job.failure.code, job.failure.retryable) == (Status.FAILED, "stage_timeout", False)
    assert "two timed out twice on the same input" in job.failure.message
    assert steps(job) == ["claim", "continue", "claim", "release", "claim", "fail"]
    assert diary.done == ["one", "two", "two", "two"], "the first try shared its invocation with another stage"


def test_a_stage_is_tried_even_if_it_needs_more_time_than_any_invocation_has() -> None:
    shop, diary = long_job(MINUTE, MINUTE, needs=60 * MINUTE)
    assert steps(run(shop, time=TIME)) == ["claim", "continue", "claim", "complete"]
    assert diary.done == ["one", "two"]


def test_a_checkpoint_that_every_invocation_saves_again_is_not_progress() -> None:
    diary, shops = Diary(), list[Shop]()

    def one(job: Job[Book]) -> Value:
        diary.note("one")
        job.checkpoint("begun", {"fence": len(diary.done)})
        for _ in range(60):
            shops[0].clock.step(15 * SECOND)
            job.progress(1)
        raise AssertionError("it should have been stopped")

    shops.append(Shop([one]))
    job = run(shops[0], time=TIME)
    assert job.failure
    assert (job.failure.code, len(diary.done)) == ("stage_timeout", 3)


def test_a_model_that_times_out_twice_in_one_stage_is_not_asked_again() -> None:
    def one(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    silence = Retry("model_timeout", "silence", after=SECOND)
    model = ScriptedModel(silence, BREAK, silence, says("too late"))
    job = run(Shop([one], model), max_attempts=9)
    assert job.failure
    assert (job.status, job.failure.code, job.failure.retryable) == (Status.FAILED, "model_timeout", False)
    assert job.failure.message == "one timed out twice on the same input: silence"
    assert len(model.questions) == 3


def test_time_outs_are_counted_for_each_stage() -> None:
    def one(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    def two(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    silence = Retry("model_timeout", "silence", after=SECOND)
    job = run(Shop([one, two], ScriptedModel(silence, says("a"), silence, says("b"))))
    assert (job.status, job.timeouts) == (Status.COMPLETED, {"one": 1, "two": 1})


def test_each_question_is_labelled_with_the_stage_that_asks_it() -> None:
    def one(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    def two(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    model = ScriptedModel(says("a"), says("b"))
    run(Shop([one, two], model))
    assert [question.metadata["stage"] for question in model.questions] == ["one", "two"]


def test_a_call_cancelled_for_lack_of_time_is_not_a_model_error() -> None:
    def cut_off(_question: Any) -> Any:
        for _ in range(40):
            shop.clock.step(15 * SECOND)
        raise Retry("model_connection", "the connection to the model failed")

    def one(_job: Job[Book]) -> dict[str, int]:
        return {}

    def two(job: Job[Book]) -> Value:
        return Value(text=job.ask("?"))

    shop = Shop([one, two], ScriptedModel(cut_off, says("gold")))
    job = run(shop, time=TIME, max_attempts=1)
    assert (job.status, steps(job)) == (Status.COMPLETED, ["claim", "continue", "claim", "complete"])


def test_a_stage_costs_one_write_of_the_row() -> None:
    def one(_job: Job[Book]) -> dict[str, int]:
        return {}

    def two(_job: Job[Book]) -> dict[str, int]:
        return {}

    def three(_job: Job[Book]) -> Value:
        return Value(text="x")

    assert run(Shop([one, two, three])).version == 1 + 4, "submit; claim, one, two, complete"
