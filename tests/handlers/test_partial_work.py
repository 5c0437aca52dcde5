"""Checkpoints within a stage: named parts, and items in sequence or in threads. No item is done twice."""

import threading

import pytest

from analysis_jobs import Fail, Job, Retry
from analysis_jobs.authoring.fan_out import map_items
from analysis_jobs.authoring.report import AttemptReport
from analysis_jobs.base.errors import OutOfTime
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
)


def test_the_next_attempt_gets_the_partial_work() -> None:
    diary = Diary(fails=["page 2", "page 4"])

    def read(job: Job[Book]) -> Value:
        pages: list[str] = job.saved("pages", [])
        while len(pages) < 5:
            diary.note(f"page {len(pages)}")
            pages = [*pages, f"text {len(pages)}"]
            job.checkpoint("pages", pages)
        return Value(text=" ".join(pages))

    job = run(Shop([read]))
    assert diary.done == ["page 0", "page 1", "page 2", "page 2", "page 3", "page 4", "page 4"]
    assert job.result
    assert "text 0 text 1 text 2 text 3 text 4" in str(job.result.text)


@pytest.mark.parametrize("name", ["", "a b", "*f.1", "a" * 101, "\u00e4", "-", "a#"])
def test_an_invalid_name_is_a_programming_error(name: str) -> None:
    def read(job: Job[Book]) -> Value:
        job.checkpoint(name, 1)
        return Value(text="x")

    job = run(Shop([read]))
    assert job.failure
    assert (job.failure.code, job.attempt) == ("configuration", 1)


def test_each_item_is_done_once_however_often_the_work_is_interrupted() -> None:
    diary = Diary(fails=["b", "d"])

    def word(letter: str) -> Chapter:
        diary.note(letter)
        return Chapter(title=letter * 2, read_at=START)

    def read(job: Job[Book]) -> Value:
        return Value(text=" ".join(chapter.title for chapter in job.each("abcde", word)))

    job = run(Shop([read]))
    assert diary.done == ["a", "b", "b", "c", "d", "d", "e"]
    assert job.result
    assert job.result.text == '{"text":"aa bb cc dd ee","pounds":0.0}'
    assert job.attempt == 3


def test_an_item_that_its_function_changes_is_done_once() -> None:
    diary = Diary(fails=["b"])

    def word(item: dict[str, str]) -> str:
        diary.note(item["letter"])
        item["seen"] = "yes"
        return item["letter"] * 2

    def read(job: Job[Book]) -> Value:
        return Value(text=" ".join(job.each([{"letter": letter} for letter in "abc"], word)))

    assert run(Shop([read])).status is Status.COMPLETED
    assert diary.done == ["a", "b", "b", "c"]


def test_remaining_items_continue_in_another_invocation_without_spending_an_attempt() -> None:
    diary, shops = Diary(), list[Shop]()

    def word(number: int) -> int:
        diary.note(str(number))
        for _ in range(8):
            shops[0].clock.step(15 * SECOND)
        return number

    def read(job: Job[Book]) -> Value:
        return Value(text=str(sum(job.each(range(12), word, needs=2 * MINUTE))))

    shops.append(Shop([read]))
    job = run(shops[0], time=TIME, max_attempts=1)
    assert diary.done == [str(number) for number in range(12)]
    assert (job.status, job.attempt, steps(job).count("continue")) == (Status.COMPLETED, 1, 2)


def test_two_fan_outs_of_one_stage_have_separate_items() -> None:
    diary = Diary(fails=["end"])

    def read(job: Job[Book]) -> Value:
        texts = [job.each(["x", "y"], lambda item, n=n: f"{item}{n}") for n in range(2)]  # type: ignore[misc]
        diary.note("end")
        return Value(text=str(texts))

    job = run(Shop([read]))
    assert job.result
    assert "[['x0', 'y0'], ['x1', 'y1']]" in str(job.result.text)


def test_a_fan_out_over_no_items_returns_an_empty_list() -> None:
    def read(job: Job[Book]) -> Value:
        return Value(text=str(job.each([], str, at_once=4)))

    assert run(Shop([read])).status is Status.COMPLETED


def test_a_fan_out_within_a_fan_out_is_refused() -> None:
    def read(job: Job[Book]) -> Value:
        return Value(text=str(job.each(["a"], lambda _: job.each(["b"], str))))

    job = run(Shop([read]))
    assert job.failure
    assert (job.failure.code, "job.each within job.each" in job.failure.message) == ("configuration", True)


def test_progress_depends_on_the_finished_items_and_not_on_the_length_of_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    class Watched(AttemptReport):
        def move_progress(self, begun_at: int, share: float) -> None:
            super().move_progress(begun_at, share)
            seen.append(self.percent)

    def read(job: Job[Book]) -> Value:
        job.each("abcd", lambda _: job.ask("?"))
        return Value(text="x")

    monkeypatch.setattr("analysis_jobs.worker.attempt.AttemptReport", Watched)
    run(Shop([read], ScriptedModel(*[says("long " * 2_000)] * 4)))
    assert seen == [24, 48, 71, 95]


# In threads


def test_items_are_done_in_threads_and_returned_in_order() -> None:
    together = threading.Barrier(3, timeout=60)

    def read(job: Job[Book]) -> Value:
        def word(number: int) -> int:
            together.wait()
            return number * 10

        return Value(text=str(job.each(range(9), word, at_once=3)))

    job = run(Shop([read]))
    assert job.result
    assert "[0, 10, 20, 30, 40, 50, 60, 70, 80]" in str(job.result.text)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("item")]


def test_finished_items_are_kept_if_another_thread_fails() -> None:
    failed, others = threading.Event(), list[int]()

    def read(job: Job[Book]) -> Value:
        def word(number: int) -> int:
            if job.attempt == 1:
                if number == 0:
                    failed.set()
                    raise BREAK.with_traceback(None)
                assert failed.wait(60)
            others.append(number)
            return number

        return Value(text=str(job.each(range(100), word, at_once=4)))

    job = run(Shop([read]))
    assert job.status is Status.COMPLETED
    assert sorted(others) == list(range(100)), "each once"


def test_the_usage_of_all_questions_in_threads_is_counted() -> None:
    def read(job: Job[Book]) -> Value:
        return Value(text="".join(job.each(range(40), lambda _: job.ask("?"), at_once=8)))

    job = run(Shop([read], ScriptedModel(*[says("x", input_tokens=3, output_tokens=1)] * 40)))
    assert (job.usage.calls, job.usage.input_tokens, job.usage.output_tokens) == (40, 120, 40)


def test_a_stop_takes_precedence_over_errors_in_other_threads() -> None:
    begun = threading.Barrier(3, timeout=60)

    def read(job: Job[Book]) -> Value:
        def word(number: int) -> int:
            if begun.wait() == 0:
                shop.another_worker_claims(key)
                shop.clock.step(15 * SECOND)
            begun.wait()
            if number == 0:
                raise Fail("stale", "stale")
            job.progress(1)
            return number

        return Value(text=str(job.each(range(3), word, at_once=3)))

    shop = Shop([read])
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.fence, job.failure) == (Status.PROCESSING, 2, None)


def test_an_item_must_be_json() -> None:
    calls: list[int] = []

    def read(job: Job[Book]) -> Value:
        job.each([object()], lambda _: calls.append(1))
        raise AssertionError("it should be refused")

    job = run(Shop([read]))
    assert job.failure
    assert (job.failure.code, calls) == ("checkpoint_invalid", [])


def test_time_outs_of_different_items_do_not_count_as_two_time_outs_of_the_stage() -> None:
    def read(job: Job[Book]) -> Value:
        return Value(text="".join(job.each(range(4), lambda _: job.ask("?"))))

    silence = Retry("model_timeout", "silence", after=SECOND)
    model = ScriptedModel(says("a"), silence, says("b"), silence, says("c"), says("d"))
    job = run(Shop([read], model), max_attempts=3)
    assert (job.status, len(model.questions)) == (Status.COMPLETED, 6)


def test_no_item_is_started_after_an_error_in_another_thread() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def work(number: int, _item: str) -> None:
        begun.append(number)
        if number == 0:
            failed.set()
            raise ValueError("no")
        failed.wait(60)
        threading.Event().wait(0.05)  # all of them together take seconds

    with pytest.raises(ValueError, match="no"):
        map_items(work, ["x"] * 100, at_once=2)
    assert len(begun) < 100


@pytest.mark.parametrize("stopped", range(3))
def test_a_stop_is_raised_in_preference_to_other_errors(stopped: int) -> None:
    together = threading.Barrier(3, timeout=60)

    def work(number: int, _item: str) -> None:
        together.wait()
        raise OutOfTime if number == stopped else ValueError

    with pytest.raises(OutOfTime):
        map_items(work, ["x"] * 3, at_once=3)
