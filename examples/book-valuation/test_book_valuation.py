"""Tests of the book valuation. They need neither an AWS account nor a model, but an installed PostgreSQL server."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from analysis_jobs.testing import Answer, Jobs
from book_models import Appraisal, Book, Valuation, described
from book_valuation import APPRAISER, book_valuation

PLAIN = {"title": "A Plain Book"}
VOYAGES = json.loads((Path(__file__).parent / "documents" / "river-voyages.json").read_text(encoding="utf-8"))
ESSAY = "The copy would bring ten to twenty."
BOOKS = "SELECT tenant, id, value_mid, currency FROM books"
VALUED = {"tenant": "acme", "id": "42", "value_mid": Decimal("15.00"), "currency": "EUR"}


def appraisal(**valuation: Any) -> dict[str, Any]:
    """Return a model's answer. `valuation` overrides parts of the range."""
    return {
        "title": "A Plain Book",
        "condition": "Worn.",
        "condition_grade": "poor",
        "market_analysis": {"valuation": {"low": 10, "high": 20, "currency": "EUR"} | valuation},
    }


def test_the_middle_of_the_range_is_recorded_in_the_catalogue(jobs: Jobs) -> None:
    database = jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", ESSAY)
    jobs.answer("extract", appraisal())
    done = jobs.run(book_valuation, VOYAGES, subject="books/42")
    assert done.result.value_mid == 15
    assert done.stages == ("analyse", "extract", "record")
    assert database.query(BOOKS) == [VALUED]
    [kept] = database.query("SELECT job_id, result, analysis FROM book_analyses")
    assert kept == {"job_id": done.job_id, "result": done.json, "analysis": ESSAY}


def test_the_appraiser_sees_the_book_and_the_extraction_sees_the_appraisal(jobs: Jobs) -> None:
    jobs.database("DATABASE_SECRET")
    jobs.answer_in_order(ESSAY, appraisal())
    done = jobs.run(book_valuation, VOYAGES, subject="books/42")
    essay, figures = done.questions
    assert (essay.stage, essay.model_id, essay.schema) == ("analyse", APPRAISER, None)
    assert VOYAGES["binding"] in essay.prompt
    assert (figures.stage, figures.answer_name) == ("extract", "Appraisal")
    assert ESSAY in figures.prompt


def test_an_uploaded_catalogue_entry_is_read(jobs: Jobs) -> None:
    jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", ESSAY)
    jobs.answer("extract", appraisal())
    entry = jobs.upload("entry.txt", b"Binding: Limp vellum with ties")
    done = jobs.run(book_valuation, PLAIN | {"document": entry}, subject="books/42")
    assert "Limp vellum with ties" in done.questions[0].prompt


@pytest.mark.parametrize(("stage", "asked"), [("analyse", ["analyse", "extract"]), ("record", ["analyse", "extract"])])
def test_a_crash_neither_asks_nor_records_again(jobs: Jobs, stage: str, asked: list[str]) -> None:
    database = jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", ESSAY)
    jobs.answer("extract", appraisal())
    jobs.crash_after(stage)
    done = jobs.run(book_valuation, PLAIN, subject="books/42")
    assert done.attempts == 2
    assert [question.stage for question in done.questions] == asked
    assert database.query("SELECT count(*) AS rows FROM book_analyses") == [{"rows": 1}]


def test_a_deployment_does_not_repeat_the_expensive_appraisal(jobs: Jobs) -> None:
    jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", ESSAY)
    jobs.answer("extract", appraisal())
    jobs.throttle("extract", retry_after=timedelta(minutes=10))
    job = jobs.submit(book_valuation, PLAIN, subject="books/42")
    jobs.run_due()
    assert (job.status, job.stages) == ("queued", ("analyse",))
    jobs.deploy()
    done = jobs.finish(job)
    assert [question.stage for question in done.questions] == ["analyse", "extract", "extract"]


def test_an_appraisal_that_takes_most_of_the_invocation_is_continued_in_the_next_one(jobs: Jobs) -> None:
    jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", Answer(ESSAY, takes=timedelta(minutes=13)))
    jobs.answer("extract", appraisal())
    done = jobs.run(book_valuation, PLAIN, subject="books/42")
    assert (done.attempts, "continue" in done.history) == (1, True)
    assert [question.stage for question in done.questions] == ["analyse", "extract"]


def test_the_model_repairs_a_range_with_low_above_high(jobs: Jobs) -> None:
    jobs.database("DATABASE_SECRET")
    jobs.answer("analyse", ESSAY)
    jobs.answer("extract", appraisal(low=30), appraisal())
    done = jobs.run(book_valuation, PLAIN, subject="books/42")
    assert done.result.value_mid == 15
    assert "low (30) is above high (20)" in done.questions[2].prompt


# The models


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 2_001}, "title"),
        ({"published": 999}, "published"),
        ({"published": 2101}, "published"),
        ({"pages": 3}, "pages"),
        ({"sales": [{"year": 2020, "house": "a", "copy_described": "b"}]}, "sales.0.price"),
        ({"sales": [{"year": 1400, "house": "a", "copy_described": "b", "price": "c"}]}, "sales.0.year"),
        ({"sales": [{"year": 2020, "house": "a", "copy_described": "b", "price": "c"}] * 21}, "sales"),
    ],
)
def test_an_invalid_book_is_refused_and_the_error_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Book.model_validate(PLAIN | change)
    assert [".".join(map(str, error["loc"])) for error in raised.value.errors()] == [field]


@pytest.mark.parametrize("change", [{"low": -1}, {"low": 21}, {"currency": "euro"}, {"high": 10**10}, {"high": "much"}])
def test_an_invalid_valuation_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Valuation.model_validate({"low": 10, "high": 20, "currency": "EUR"} | change)


@pytest.mark.parametrize(
    ("low", "high", "mid"), [(0, 0, "0.00"), (0.01, 0.02, "0.02"), (0.1, 0.2, "0.15"), (1, 2.55, "1.78")]
)
def test_the_middle_is_exact(low: float, high: float, mid: str) -> None:
    assert str(Valuation.model_validate({"low": low, "high": high, "currency": "EUR"}).mid) == mid


def test_an_amount_is_a_number_for_the_model_and_a_decimal_in_python() -> None:
    assert Appraisal.model_json_schema()["$defs"]["Money"] == {"type": "number", "minimum": 0}


def test_missing_catalogue_fields_are_not_in_the_prompt() -> None:
    assert described(Book(title="A Plain Book")) == "Title: A Plain Book"
