"""Book valuation with the stand-in as the model: its catalogue entries become values in a real database.

The tests of the analysis itself are in its folder.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from analysis_jobs.testing import Jobs
from analysis_jobs_dev.cloud.stand_in import StandIn
from book_valuation import book_valuation
from tests.handlers.models import bedrock

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "book-valuation"
FACTS = ("title", "author", "published", "edition", "binding", "provenance", "condition")


@pytest.mark.parametrize(
    ("document", "valuation", "mid", "grade"),
    [
        ("river-voyages", {"low": "1800", "high": "2650", "currency": "EUR"}, "2225.00", "very good"),
        ("garden-herbal", {"low": "640.5", "high": "910", "currency": "GBP"}, "775.25", "fair"),
    ],
)
def test_a_book_is_valued_from_its_catalogue_entry(  # noqa: PLR0917 - every fixture is an argument
    jobs: Jobs, stand_in: StandIn, document: str, valuation: dict[str, str], mid: str, grade: str
) -> None:
    database = jobs.database("DATABASE_SECRET", schema=EXAMPLE / "schema.sql")
    jobs.ask_model(bedrock(stand_in.url))
    book = json.loads((EXAMPLE / "documents" / f"{document}.json").read_text(encoding="utf-8"))
    done = jobs.run(book_valuation, book, subject="books/42")
    market = done.json["market_analysis"]
    assert market["valuation"] == valuation
    assert [sale["year"] for sale in market["comparable_sales"]] == [sale["year"] for sale in book["sales"]]
    assert {fact: done.json[fact] for fact in FACTS} == {fact: book[fact] for fact in FACTS}
    assert (done.json["value_mid"], done.json["condition_grade"]) == (mid, grade)
    assert database.query("SELECT tenant, id, value_mid, currency FROM books") == [
        {"tenant": "acme", "id": "42", "value_mid": Decimal(mid), "currency": valuation["currency"]}
    ]
    [kept] = database.query("SELECT job_id, result, analysis FROM book_analyses")
    assert (kept["job_id"], kept["result"]) == (done.job_id, done.json)
    assert book["binding"] in kept["analysis"]
