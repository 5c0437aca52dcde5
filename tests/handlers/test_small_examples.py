"""Runs the small examples: minimal and vpc-and-database with stores in memory, existing-api on moto."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

import backend
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
from tests.handlers.deployment import Deployment, deployed
from tests.handlers.events import Context, call, http_event
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


@pytest.fixture
def helpdesk() -> Iterator[Deployment]:
    """Deploy the functions with the backend's analysis. The backend gets the variables that its Terraform sets."""
    variables = {"ANALYSES": "ticket_triage", "JOBS_API_URL": "https://jobs.example.com"}
    with deployed() as deployment, patch.dict(os.environ, variables):
        backend._submissions.cache_clear()  # noqa: SLF001 - what an execution environment keeps
        yield deployment
        backend._submissions.cache_clear()  # noqa: SLF001


def post(ticket: str, body: str, *, tenant: str = "acme", headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Call the team's own API as API Gateway does. Return the status and the body."""
    event = http_event("POST", f"/tickets/{ticket}/triage", body, headers=headers, claims={"tenant": tenant})
    answer = backend.handler(event | {"pathParameters": {"id": ticket}}, Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_the_api_of_the_module_shows_a_job_that_the_backend_submits(helpdesk: Deployment) -> None:
    status, accepted = post("17", json.dumps(TICKET))
    assert (status, accepted["status_url"]) == (202, f"https://jobs.example.com/jobs/{accepted['job_id']}")
    job = call("GET", f"/jobs/{accepted['job_id']}").json
    assert (job["status"], job["analysis"], job["subject"]) == ("queued", "ticket-triage", "tickets/17")
    [message] = helpdesk.messages()
    assert accepted["job_id"] in message["body"]


def test_the_backends_jobs_belong_to_the_tenant_of_the_callers_token(helpdesk: Deployment) -> None:
    _, accepted = post("17", json.dumps(TICKET), tenant="globex")
    assert len(helpdesk.messages()) == 1
    assert call("GET", f"/jobs/{accepted['job_id']}").status == 404
    assert call("GET", f"/jobs/{accepted['job_id']}", tenant="globex").status == 200


def test_the_backend_forwards_the_idempotency_key(helpdesk: Deployment) -> None:
    answers = [post("17", json.dumps(TICKET), headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(helpdesk.messages()) == 1


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ("not JSON", 400, "Expecting value"),
        ("[]", 400, "valid dictionary"),
        ("{}", 422, "input.text"),
        ('{"text": ""}', 422, "input.text"),
    ],
)
def test_the_backend_reports_the_errors_of_a_ticket(
    helpdesk: Deployment, body: str, status: int, complaint: str
) -> None:
    said = post("17", body)
    assert said[0] == status
    assert complaint in said[1]["detail"]
    assert helpdesk.messages() == []


def test_a_ticket_is_assigned_to_a_team() -> None:
    triage = {"team": "billing", "urgency": "high", "summary": "A payment was taken twice."}
    model = ScriptedModel(gives(**triage))
    desk = Desk(ticket_triage, model)
    job = desk.deliver(desk.submit(TICKET))
    assert result_of(job) == triage
    [question] = model.questions
    assert TICKET["text"] in str(question)
