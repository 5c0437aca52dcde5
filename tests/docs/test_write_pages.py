"""The Python of the pages about writing an analysis: it runs, and does what the page says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Job, Retry, TierRequest
from analysis_jobs.jobs.admission import AdmissionState, Outcome, decide
from analysis_jobs.testing import Jobs
from tests.docs.pages import PAGES, blocks, executed

LETTER = b"Dear museum, please send us the key of the archive. Yours, the rowing club"


class Nothing(BaseModel):
    """The input of a stage that needs none."""


class Anything(BaseModel, extra="allow"):
    """A result of any shape."""


def analysis_of(stage: Callable[[Job[Any]], Any], request: type[BaseModel], result: type[BaseModel]) -> Any:
    """Return an analysis of a single stage that a page shows."""
    return Analysis("shown", request=request, result=result, stages=[stage])


# `test_tutorial.py` runs the blocks of the tutorial: they are the files of one project.
SHOWN = [page for page in PAGES if page.startswith("docs/") and page != "docs/write/first-analysis.md"]


@pytest.mark.parametrize("page", [page for page in SHOWN if blocks(page, "python")])
def test_the_python_of_every_page_runs(page: str) -> None:
    assert executed(page)


def test_the_first_analysis_of_the_section_summarises_a_letter(jobs: Jobs) -> None:
    jobs.answer_in_order({"sender": "the rowing club", "wishes": ["the key of the archive"]})
    analysis = executed("docs/write/index.md")["letter_summary"]
    done = jobs.run(analysis, {"document": jobs.upload("letter.txt", LETTER)})
    assert done.json == {"sender": "the rowing club", "wishes": ["the key of the archive"]}
    assert LETTER.decode() in done.questions[0].prompt


def test_a_second_attempt_asks_only_what_was_not_saved(jobs: Jobs) -> None:
    shown = executed("docs/write/index.md")
    busy = Retry("model_error", "try again", after=timedelta())
    jobs.answer_in_order("They own the key.", busy, "All of them.", "Dear club")
    analysis = analysis_of(shown["answer"], shown["Letter"], Anything)
    done = jobs.run(analysis, {"document": jobs.upload("letter.txt", LETTER)})
    assert done.json == {"answer": "Dear club"}
    assert [question.prompt.split()[0] for question in done.questions] == ["List", "Which", "Which", "Answer"]
    assert done.attempts == 2


def test_two_models_answer_one_stage(jobs: Jobs) -> None:
    shown = executed("docs/write/models.md")
    jobs.answer_in_order("A note of a museum.", {"summary": "It wants an archive."})
    done = jobs.run(analysis_of(shown["look"], Nothing, shown["Gist"]), {})
    assert done.json == {"summary": "It wants an archive."}
    first, second = done.questions
    assert (first.model_id, first.question.max_tokens, [each.name for each in first.attachments]) == (
        "gemini-2.5-flash",
        2_000,
        ["note.txt"],
    )
    assert second.model_id.startswith("eu.anthropic.")
    assert "A note of a museum." in second.prompt


def test_each_question_has_the_options_that_the_page_gives_it(jobs: Jobs) -> None:
    shown = executed("docs/write/models.md")
    jobs.answer_in_order("The second offer.", "They are right.", {"summary": "The second."})
    done = jobs.run(analysis_of(shown["weigh"], Nothing, shown["Gist"]), {})
    assert done.json == {"summary": "The second."}
    asked = [each.question for each in done.questions]
    assert [(each.effort, each.thinking_tokens, each.tier) for each in asked] == [
        ("high", None, None),
        (None, 2_000, None),
        (None, None, "flex"),
    ]


def test_pages_of_text_are_not_unsure(jobs: Jobs) -> None:
    shown = executed("docs/write/documents.md")
    given = {"document": jobs.upload("a.txt", LETTER)}
    done = jobs.run(analysis_of(shown["look"], shown["Request"], shown["Pages"]), given)
    assert done.json == {"pages": 1, "unsure": []}


def test_the_files_of_a_stage_are_there_when_it_has_ended(jobs: Jobs) -> None:
    shown = executed("docs/write/files.md")
    done = jobs.run(analysis_of(shown["write"], Nothing, Anything), {})
    assert done.json == {"devices": 2}
    assert sorted(done.files) == ["evaluation.json", "schedule.xlsx"]


def test_a_database_effect_that_was_done_before_is_not_done_again() -> None:
    shown = executed("docs/write/postgresql.md")
    executions: list[tuple[str, tuple[Any, ...]]] = []
    cursor = SimpleNamespace(execute=lambda statement, values: executions.append((statement, values)))
    for given in (cursor, None):  # the second attempt finds the effect done
        job = SimpleNamespace(request=shown["Book"](book_id=7), database=lambda _, given=given: _database(given))
        assert shown["record"](job).middle == 120
    assert executions == [(shown["UPDATE"], (120, 7))]


def _database(cursor: object) -> Any:
    @contextmanager
    def once(_: object, effect: str) -> Iterator[object]:
        assert effect == "record"
        yield cursor

    return SimpleNamespace(once=once)


def test_the_rules_find_what_the_page_says() -> None:
    checked = executed("docs/write/checking.md")["checked"]
    assert [(each.field, each.value, each.rule) for each in checked.findings] == [("expires_on", "2025-03-14", "after")]
    assert checked.confidence["number"] > checked.confidence["credits"]
    assert checked.needs_review


def test_a_submission_with_too_few_new_reviews_makes_no_job() -> None:
    analysis = executed("docs/write/admission.md")["review_digest"]
    now = datetime(2026, 11, 22, tzinfo=UTC)
    request = analysis.request(
        shop_id="7", product="lamp", written_at=[now - timedelta(hours=hour) for hour in range(4)]
    )
    verdicts = {
        name: decide(analysis.admission, trigger, AdmissionState(), request, now).outcome
        for name, trigger in analysis.triggers.items()
    }
    assert verdicts == {"reviews": Outcome.SKIPPED, "page": Outcome.CREATED, "manual": Outcome.CREATED}


def test_too_little_to_work_on_is_a_result(jobs: Jobs) -> None:
    analysis = executed("docs/write/admission.md")["review_digest"]
    given = {"shop_id": "7", "product": "lamp", "written_at": []}
    done = jobs.run(analysis, given, trigger="page", subject="shops/7/lamp")
    assert done.json == {"status": "insufficient_data"}


def test_tiers_put_jobs_in_their_order() -> None:
    shown = executed("docs/write/tiers.md")
    tiers, chat = shown["chat_profile"].tiers, shown["Chat"](lines=[])
    tenants = ("initech", "globex", "acme")
    found = {tenant: tiers.find(TierRequest(tenant, None, None, None, chat)) for tenant in tenants}
    assert found == {"initech": "free", "globex": "silver", "acme": "gold"}
    assert [tiers.tier_rank(tier) for tier in ("gold", "silver", "free")] == [0, 1, 2]
