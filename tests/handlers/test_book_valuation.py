"""Book valuation end to end: a real database, with the stand-in or a scripted model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Model, Reply
from analysis_jobs.postgres.connections import CONNECTIONS
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from analysis_jobs_dev.cloud.stand_in import StandIn
from book_models import Appraisal, Book, Valuation, described
from book_valuation import book_valuation
from tests.handlers.builders import QUEUE_ARN, START, ScriptedModel, a_job, says, some_settings
from tests.handlers.databases import ARN, SCHEMA, SECRET, Vault, a_database
from tests.handlers.models import bedrock

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "book-valuation"
VOYAGES, HERBAL = EXAMPLE / "documents" / "river-voyages.json", EXAMPLE / "documents" / "garden-herbal.json"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PLAIN = {"title": "A Plain Book"}


@dataclass
class Catalogue:
    """Submits valuations and reads their results. The database is real."""

    login: Login
    vault: Vault
    model: Model
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)

    @property
    def worker(self) -> Worker:
        settings = some_settings(
            analyses="book_valuation",
            model_id=SONNET,
            database_ca_bundle=self.login.ca_bundle,
        )
        secrets = Secrets({SECRET: ARN}.__getitem__, self.vault.read, self.clock, settings.secret_max_age)
        return Worker(
            self.store,
            self.queue,
            Analyses([book_valuation]),
            Services(self.artifacts, MemoryPromptStore(), self.model, settings, secrets=secrets),
            self.clock,
        )

    def submit(self, book: dict[str, Any]) -> JobKey:
        job = a_job(
            job_id=new_id(self.clock.now()),
            analysis=book_valuation.name,
            input=Payload(text=json.dumps(book)),
            subject="books/42",
            stage="analyse",
            max_attempts=book_valuation.max_attempts,
        )
        self.store.create(job, None)
        return job.key

    def deliver(self, key: JobKey) -> JobRecord:
        self.worker.handle(Message(key, QUEUE_ARN, "receipt"))
        return self.store.jobs[key]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.login.connect() as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def catalogue(postgres_server: PostgreSQL, server: StandIn) -> Iterator[Catalogue]:
    server.reset()
    login = a_database(postgres_server, (EXAMPLE / "schema.sql").read_text(encoding="utf-8"))
    yield Catalogue(login, Vault(login.secret("database")), bedrock(server.url))
    CONNECTIONS.close()


def _result(job: JobRecord) -> Any:
    assert job.result is not None, job.failure
    return json.loads(job.result.text or "null")


def _answers(**valuation: Any) -> Reply:
    data: dict[str, Any] = {
        "title": "A Plain Book",
        "condition": "Worn.",
        "condition_grade": "poor",
        "market_analysis": {"valuation": {"low": 10, "high": 20, "currency": "EUR"} | valuation},
    }
    return Reply(json.dumps(data), data, "tool_use", Usage(1, 10, 5))


class Killed(BaseException):
    """Stands for a process that is killed by a time-out or a lack of memory."""


@pytest.mark.parametrize(
    ("document", "valuation", "mid", "grade"),
    [
        (VOYAGES, {"low": "1800", "high": "2650", "currency": "EUR"}, "2225.00", "very good"),
        (HERBAL, {"low": "640.5", "high": "910", "currency": "GBP"}, "775.25", "fair"),
    ],
    ids=["voyages", "herbal"],
)
def test_a_book_is_valued_from_its_catalogue_entry(
    catalogue: Catalogue, document: Path, valuation: dict[str, str], mid: str, grade: str
) -> None:
    book = json.loads(document.read_text(encoding="utf-8"))
    job = catalogue.deliver(catalogue.submit(book))
    result = _result(job)
    assert result["market_analysis"]["valuation"] == valuation
    sales = result["market_analysis"]["comparable_sales"]
    assert [sale["year"] for sale in sales] == [sale["year"] for sale in book["sales"]]
    for fact in ("title", "author", "published", "edition", "binding", "provenance", "condition"):
        assert result[fact] == book[fact]
    assert (result["value_mid"], result["condition_grade"]) == (mid, grade)
    assert catalogue.rows("SELECT tenant, id, value_mid, currency FROM books") == [
        ("acme", "42", Decimal(mid), valuation["currency"])
    ]
    [(analysed, kept, essay)] = catalogue.rows("SELECT job_id, result, analysis FROM book_analyses")
    assert (analysed, kept) == (job.job_id, result)
    assert book["binding"] in essay


def test_an_uploaded_catalogue_entry_is_read(catalogue: Catalogue) -> None:
    document = f"{new_id(START)}/entry.txt"
    entry = "Binding: Limp vellum with ties\nValuation: EUR 300 to EUR 420\nCondition: Good, some worming\n"
    catalogue.artifacts.write(upload_key("acme", document), entry.encode(), "text/plain")
    result = _result(catalogue.deliver(catalogue.submit(PLAIN | {"document": document})))
    assert (result["binding"], result["value_mid"]) == ("Limp vellum with ties", "360.00")


def test_a_retry_after_a_crash_that_followed_the_commit_does_not_write_again(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.model = ScriptedModel(says("Ten to twenty."), _answers())
    key = catalogue.submit(PLAIN)
    transition = catalogue.store.transition

    def killed_at_the_end(job: JobKey, step: Any, *arguments: Any, **options: Any) -> Any:
        if step.name == "complete":
            raise Killed
        return transition(job, step, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(catalogue.store, "transition", killed_at_the_end)
        with pytest.raises(Killed):
            catalogue.deliver(key)
    written = catalogue.rows("SELECT * FROM book_analyses")
    assert len(written) == 1
    _let_the_lease_run_out(catalogue, key)
    assert catalogue.deliver(key).status is Status.COMPLETED
    assert catalogue.rows("SELECT * FROM book_analyses") == written


def _let_the_lease_run_out(catalogue: Catalogue, key: JobKey) -> None:
    catalogue.store.jobs[key] = replace(catalogue.store.jobs[key], lease_until=catalogue.clock.now())


def test_the_model_repairs_a_range_with_low_above_high(catalogue: Catalogue) -> None:
    catalogue.model = model = ScriptedModel(says("a"), _answers(low=30), _answers())
    assert _result(catalogue.deliver(catalogue.submit(PLAIN)))["value_mid"] == "15.00"
    assert "low (30) is above high (20)" in model.questions[2].prompt


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


def test_the_sql_schema_has_the_librarys_table_of_effects() -> None:
    table = SCHEMA[SCHEMA.index("CREATE") :]
    for schema in (EXAMPLE.parent).glob("*/schema.sql"):
        assert table in schema.read_text(encoding="utf-8"), schema
