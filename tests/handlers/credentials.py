"""The worker of `credential-extraction` over stores in memory, with a real database and a stand-in model."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.documents import upload_key
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.llm.model import Model
from analysis_jobs.postgres.connections import CONNECTIONS
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from credential_extraction import credential_extraction
from tests.handlers.builders import QUEUE_ARN, a_job, some_settings
from tests.handlers.databases import ARN, SECRET, Vault, a_database

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "credential-extraction"
DOCUMENTS = EXAMPLE / "documents"
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Desk:
    """Submits documents and reads their results. The database is real."""

    login: Login
    vault: Vault
    model: Model
    reader: DocumentReader = field(default_factory=DocumentReader)
    clock: ManualClock = field(default_factory=lambda: ManualClock(TODAY))
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=lambda: MemoryQueue(fifo=True))
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)

    @property
    def worker(self) -> Worker:
        """A worker in a new execution environment."""
        settings = some_settings(
            analyses="credential_extraction",
            model_id="eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            database_ca_bundle=self.login.ca_bundle,
        )
        services = Services(
            artifacts=self.artifacts,
            prompts=MemoryPromptStore(),
            model=self.model,
            settings=settings,
            documents=self.reader,
            secrets=Secrets({SECRET: ARN}.__getitem__, self.vault.read, self.clock, settings.secret_max_age),
        )
        return Worker(self.store, self.queue, Analyses([credential_extraction]), services, self.clock)

    def hand_in(self, content: bytes, name: str, *, subject: str | None = "documents/42", row: bool = True) -> JobKey:
        """Upload a document and submit its job. `row` also creates the database row that its subject names."""
        if row and subject:
            self.run("INSERT INTO documents (tenant, id) VALUES ('acme', %s)", subject.removeprefix("documents/"))
        document = f"{new_id(self.clock.now())}/{name}"
        self.artifacts.write(upload_key("acme", document), content, "")
        job = a_job(
            job_id=new_id(self.clock.now()),
            analysis=credential_extraction.name,
            input=Payload(text=json.dumps({"document": document})),
            subject=subject,
            created_at=self.clock.now(),
            deadline=self.clock.now() + credential_extraction.deadline,
            due_at=self.clock.now() + credential_extraction.deadline,
            stage="read",
        )
        self.store.create(job, None)
        return job.key

    def deliver(self, key: JobKey) -> JobRecord:
        """Deliver the job's message to a worker and return the job. Raises `KeepMessage` if the job must wait."""
        self.worker.handle(Message(key, QUEUE_ARN, "receipt"))
        return self.store.jobs[key]

    def work_through(self, document: str, **options: Any) -> dict[str, Any]:
        """Submit one of the example's documents, run its job, and return the result."""
        key = self.hand_in((DOCUMENTS / document).read_bytes(), document, **options)
        return result_of(self.deliver(key))

    def run(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run SQL in the database."""
        with self.login.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, str]:
        """Return the state of each document, by document id."""
        return {row["id"]: row["status"] for row in self.run("SELECT id, status FROM documents")}

    def results(self) -> list[dict[str, Any]]:
        """Return the stored results in their order."""
        return self.run("SELECT * FROM extraction_results ORDER BY extracted_at")


@contextmanager
def a_desk(server: PostgreSQL, model: Model) -> Iterator[Desk]:
    """Open a desk over a new database."""
    login = a_database(server, (EXAMPLE / "schema.sql").read_text(encoding="utf-8"))
    yield Desk(login, Vault(login.secret()), model)
    CONNECTIONS.close()


def result_of(job: JobRecord) -> dict[str, Any]:
    """Return the result of a completed job."""
    assert job.result is not None, (job.status, job.failure)
    found: dict[str, Any] = json.loads(job.result.text or "null")
    return found
