"""Runs the small examples: with stores in memory. The backend of existing-api is in test_existing_api.py."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from analysis_jobs import Analysis
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.postgres.connections import CONNECTIONS
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from invoice_entry import invoice_entry
from letter_summary import letter_summary
from tests.handlers.builders import QUEUE_ARN, START, ScriptedModel, a_job, some_settings
from tests.handlers.databases import ARN, SECRET, Vault, a_database
from tests.handlers.pdfs import REPOSITORY
from ticket_triage import ticket_triage

EXAMPLES = REPOSITORY / "examples"
LETTER = EXAMPLES / "minimal" / "documents" / "allotment-lease.pdf"
INVOICE = b"Invoice 2026-117 of Harbour Tools Ltd. Total: EUR 1,204.50, tax included."
TICKET = {"text": "The card was charged twice."}


@dataclass
class Desk:
    """An analysis with a worker, stores in memory, and a scripted model."""

    analysis: Analysis[Any, Any]
    model: ScriptedModel
    vault: Vault = field(default_factory=lambda: Vault({}))
    ca_bundle: str = ""
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)

    def upload(self, filename: str, document: bytes) -> str:
        """Store a document, and return its name for an input."""
        uploaded = f"{new_id(self.clock.now())}/{filename}"
        self.artifacts.write(upload_key("acme", uploaded), document, "")
        return uploaded

    def submit(self, given: Mapping[str, Any]) -> JobKey:
        """Create a job with this input."""
        job = a_job(
            analysis=self.analysis.name,
            input=Payload(text=json.dumps(given)),
            stage=self.analysis.stages[0].__name__,
        )
        self.store.create(job, None)
        return job.key

    def deliver(self, key: JobKey) -> JobRecord:
        """Deliver a job's message to a new worker. Return the job afterwards."""
        settings = some_settings(database_ca_bundle=self.ca_bundle)
        secrets = Secrets({SECRET: ARN}.__getitem__, self.vault.read, self.clock, settings.secret_max_age)
        services = Services(self.artifacts, MemoryPromptStore(), self.model, settings, secrets=secrets)
        worker = Worker(self.store, MemoryQueue(), Analyses([self.analysis]), services, self.clock)
        worker.handle(Message(key, QUEUE_ARN, "receipt"))
        return self.store.jobs[key]


def gives(**answer: Any) -> Reply:
    """Return a structured answer."""
    return Reply(json.dumps(answer), answer, "tool_use", Usage(1, 10, 5))


def result_of(job: JobRecord) -> Any:
    assert job.result is not None, job.failure
    return json.loads(job.result.text or "null")


def test_the_minimal_analysis_asks_about_the_letter_and_returns_the_answer() -> None:
    summary = {"sender": "Millbrook Parish Council", "summary": "The lease can be renewed.", "reply_by": "2026-12-04"}
    model = ScriptedModel(gives(**summary))
    desk = Desk(letter_summary, model)
    job = desk.deliver(desk.submit({"letter": desk.upload(LETTER.name, LETTER.read_bytes())}))
    assert result_of(job) == summary
    [question] = model.questions
    assert "The lease of plot 17" in str(question)


def test_the_minimal_analysis_fits_on_one_screen() -> None:
    lines = (EXAMPLES / "minimal" / "letter_summary.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


@pytest.fixture
def ledger(postgres_server: PostgreSQL) -> Iterator[Login]:
    """Return the login for a real database with the example's tables."""
    schema = (EXAMPLES / "vpc-and-database" / "schema.sql").read_text(encoding="utf-8")
    yield a_database(postgres_server, schema)
    CONNECTIONS.close()


class Killed(BaseException):
    """Stands for a process that is killed by a time-out."""


def killed(_: Question) -> Reply:
    raise Killed


def entered(login: Login) -> list[tuple[Any, ...]]:
    with login.connect() as connection:
        return connection.execute(b"SELECT tenant, supplier, number, total, currency FROM invoices").fetchall()


def test_an_invoice_is_entered_once_with_the_login_of_the_secret(ledger: Login) -> None:
    answer = gives(supplier="Harbour Tools Ltd", number="2026-117", total="1204.50", currency="EUR")
    desk = Desk(invoice_entry, ScriptedModel(killed, answer), Vault(ledger.secret("database")), ledger.ca_bundle)
    key = desk.submit({"invoice": desk.upload("invoice.txt", INVOICE)})
    with pytest.raises(Killed):
        desk.deliver(key)
    assert entered(ledger) == []
    desk.clock.advance(some_settings().lease)
    job = desk.deliver(key)
    assert (result_of(job)["total"], job.attempt) == ("1204.50", 2)
    row = ("acme", "Harbour Tools Ltd", "2026-117", Decimal("1204.50"), "EUR")
    assert entered(ledger) == [row]
    assert desk.deliver(key) == job, "a second delivery changes nothing"
    assert entered(ledger) == [row]


def test_a_ticket_is_assigned_to_a_team() -> None:
    triage = {"team": "billing", "urgency": "high", "summary": "A payment was taken twice."}
    model = ScriptedModel(gives(**triage))
    desk = Desk(ticket_triage, model)
    job = desk.deliver(desk.submit(TICKET))
    assert result_of(job) == triage
    [question] = model.questions
    assert TICKET["text"] in str(question)
