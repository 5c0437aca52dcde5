"""What the pages about moving in show works: the sources can be made, and the work fits the examples' analyses."""

import importlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.ids import new_id
from analysis_jobs.moving import OldJob, Source, State
from tests.docs.pages import executed
from tests.handlers.builders import START

DOCUMENT = f"{new_id(START)}/a.pdf"
# Each page, the analysis of the example, and what a row or a message of the old system has.
PAGES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("from-analysis-worker", "book_valuation", {"book_id": 42}),
    ("from-status-table", "rfp_analysis", {"rfp_document": DOCUMENT}),
    ("from-stage-pipeline", "drawing_schedule", {"drawing": DOCUMENT, "client": "c", "project": "p"}),
    ("from-fifo-queue", "credential_extraction", {"file": DOCUMENT}),
    ("from-job-table", "profile_interpretation", {"user_id": 7, "context": "work", "reason": "manual"}),
)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("OLD_DATABASE", "")
    monkeypatch.setattr("psycopg.connect", lambda *_, **__: SimpleNamespace())
    with mock_aws():
        yield


@pytest.mark.parametrize(("page", "module", "raw"), PAGES)
def test_a_page_translates_the_work_of_its_system(page: str, module: str, raw: Mapping[str, Any]) -> None:
    names = executed(f"docs/import/{page}.md")
    source: Source = names["source"]
    assert source.name
    work = names["work_of"](OldJob("7", State.QUEUED, raw))
    analysis = getattr(importlib.import_module(module), module)
    assert work.analysis == analysis.name
    analysis.request.model_validate_json(analysis.request.model_validate(dict(work.job_input)).model_dump_json())
    assert set(work.options) <= {"client", "priority", "project", "subject", "trigger"}
    assert analysis.triggers.keys() >= ({work.options["trigger"]} if "trigger" in work.options else set())
    with pytest.raises(ValueError, match=r"."):
        names["work_of"](OldJob("7", State.QUEUED, {}))


@pytest.mark.parametrize("page", ["from-analysis-worker", "from-fifo-queue"])
def test_a_foreign_message_is_not_read(page: str) -> None:
    with pytest.raises(ValueError, match="this is no"):
        executed(f"docs/import/{page}.md")["read"]('{"version": true}')


def test_the_common_page_moves_and_reads_both_sides() -> None:
    names = executed("docs/import/moving-in.md")
    asked: list[Any] = []

    class Client:
        def submit(self, analysis: str, job_input: Mapping[str, Any], **options: Any) -> Any:
            asked.append((analysis, dict(job_input), options))
            return SimpleNamespace(job_id="new")

        def status(self, job_id: str) -> Any:
            return SimpleNamespace(status=f"{job_id} is queued")

    class OneJob:
        name = "one"
        new_id: str | None = None

        def unfinished(self) -> list[OldJob]:
            return [] if self.new_id else [OldJob("old", State.QUEUED, {})]

        def take(self, _: OldJob) -> bool:
            return True

        def finish(self, _: OldJob, new_id: str) -> None:
            self.new_id = new_id

        def find(self, old_id: str) -> OldJob | None:
            state = State.MOVED if self.new_id else State.QUEUED
            return OldJob(old_id, state, {}, new_id=self.new_id) if old_id == "old" else None

    source, client = OneJob(), Client()
    both = names["dual_read"](source, client)
    assert both.status("old") == {"status": "queued"}
    work = SimpleNamespace(analysis="a", job_input={"b": 1}, options={"subject": "s"})
    assert names["move"](source, lambda _: work, client).drained
    [(analysis, job_input, options)] = asked
    assert (analysis, job_input, options["subject"]) == ("a", {"b": 1}, "s")
    assert options["idempotency_key"].startswith("move-in-")
    assert both.status("old") == {"status": "new is queued"}
