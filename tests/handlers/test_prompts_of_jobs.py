"""The prompt versions of a job: recorded for each stage, even if a worker dies."""

from dataclasses import replace
from typing import Any

import pytest

from analysis_jobs import Defer, Fail, Job, Prompt, Retry
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.views import detail, summary
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import from_item, to_item
from analysis_jobs.worker.message import Message
from tests.handlers.builders import QUEUE_ARN, SECOND, Book, ScriptedModel, Shop, Value, a_job, says
from tests.handlers.events import logged

DEFAULT = Prompt("books", "value", ("Novel",), "<book>{isbn}</book>")


def asking(job: Job[Book], name: str = "books/value") -> str:
    return job.ask(job.prompt(name, category="Novel", default=DEFAULT, isbn=job.request.isbn))


def first(job: Job[Book]) -> dict[str, str]:
    return {"said": asking(job)}


def second(job: Job[Book]) -> Value:
    return Value(text=asking(job) + asking(job, "books/check") + asking(job))


def deliver(shop: Shop, key: JobKey, *prompts: Prompt) -> JobRecord:
    services = replace(shop.worker.services, prompts=MemoryPromptStore(*prompts))
    worker = replace(shop.worker, services=services)
    worker.handle(Message(key, QUEUE_ARN, "receipt"))
    return shop.job(key)


def test_each_stage_records_its_prompt_versions() -> None:
    shop = Shop([first, second], ScriptedModel(*[says("an answer")] * 4))
    versions = (replace(DEFAULT, version=3), replace(DEFAULT, sub_section="check", version=7))
    job = deliver(shop, shop.keep(), *versions)
    assert job.prompts == {"first": "books/value@v3", "second": "books/value@v3, books/check@v7"}
    assert detail(job, shop.artifacts)["prompts"] == job.prompts
    assert "prompts" not in summary(job)


def test_a_stage_that_runs_again_records_its_new_versions_and_a_finished_stage_keeps_its_own() -> None:
    again = Retry("model_error", "once more", after=SECOND)
    shop = Shop([first, second], ScriptedModel(says("one"), again, says("two"), says("three"), says("four")))
    key = shop.keep()
    assert deliver(shop, key, replace(DEFAULT, version=1)).prompts == {
        "first": "books/value@v1",
        "second": "books/value@v1",
    }
    shop.clock.advance(SECOND)
    assert deliver(shop, key, replace(DEFAULT, version=2)).prompts == {
        "first": "books/value@v1",
        "second": "books/value@v2, books/value@v0",
    }


def test_the_versions_of_a_finished_stage_survive_a_crash_of_the_worker() -> None:
    class Dead(BaseException):
        """Stands for a killed process: nothing is written afterwards."""

    def dies(_: Job[Book]) -> Value:
        raise Dead

    shop = Shop([first, dies], ScriptedModel(says("one")))
    key = shop.keep()
    with pytest.raises(Dead):
        deliver(shop, key, replace(DEFAULT, version=3))
    assert shop.job(key).prompts == {"first": "books/value@v3"}


def test_a_job_without_prompts_from_the_library_records_none() -> None:
    def stage(job: Job[Book]) -> Value:
        return Value(text=job.ask("inline"))

    shop = Shop([stage], ScriptedModel(says("one")))
    assert deliver(shop, shop.keep()).prompts == {}


def test_an_old_row_without_prompts_and_tiers_is_still_read(dynamo_store: DynamoJobStore) -> None:
    assert dynamo_store
    job = a_job()
    item = to_item(job)
    old = {name: value for name, value in item.items() if name not in ("prompts", "tier", "rank", "waiting", "turn_of")}
    assert from_item(old) == job


@pytest.mark.parametrize(
    ("error", "event", "code"),
    [
        (Fail("not_a_book", "no"), "job.fail", "not_a_book"),
        (Retry("model_error", "again"), "job.release", "model_error"),
        (Defer("model_throttled", "wait"), "job.defer", "model_throttled"),
    ],
)
def test_the_log_line_of_a_failed_or_waiting_job_has_the_reason(error: Exception, event: str, code: str) -> None:
    def stage(_: Job[Book]) -> Value:
        raise error

    shop = Shop([stage])
    with logged() as lines:
        shop.deliver(shop.keep())
    found: list[Any] = [line for line in lines if line["event"] == event]
    assert [line["code"] for line in found] == [code]
