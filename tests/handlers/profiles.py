"""The profile interpretation in process: its API and its worker over stores in memory, in virtual time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import api
from analysis_jobs.api.routes import Api
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import ManualClock, rfc3339
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.stores.waiting import MemoryWaitingSlots
from analysis_jobs.submission.service import SubmissionService
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from profile_interpretation import profile_interpretation
from tests.handlers.builders import QUEUE_ARN, SECOND, START, some_settings
from tests.handlers.events import Answer, call

HOUR = timedelta(hours=1)
# Longer than any jump of the clock during a job, so that no heartbeat is due.
SETTINGS = some_settings(
    queue_urls={"high": "h", "medium": "m", "low": "l"}, lease_s=40_000, heartbeat_s=20_000, inline_bytes=200
)
FOUND = {
    "traits": [{"name": "curious", "evidence": "asks why", "confidence": 0.8}],
    "interests": [{"name": "bridges", "evidence": "keeps notes", "confidence": 0.1}],
    "communication_style": "Polite and to the point.",
    "confidence": 0.2,
}


@dataclass
class Interpreter:
    """A model with the same answer for every chat. `before` gets the job that asks, and may raise."""

    before: Callable[[str], None] = lambda _job_id: None
    questions: list[Question] = field(default_factory=list)

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:  # noqa: ARG002
        """See `Model.ask`."""
        self.questions.append(question)
        self.before(question.metadata["job_id"])
        return Reply("", FOUND, "tool_use", Usage(1, 100, 20))


@dataclass(frozen=True)
class Service:
    """All parts of the deployed system."""

    model: Interpreter = field(default_factory=Interpreter)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)

    @property
    def submissions(self) -> SubmissionService:
        """The submission service."""
        return SubmissionService(
            self.store, self.queue, self.artifacts, Analyses([profile_interpretation]), SETTINGS, self.clock
        )

    def work(self, key: JobKey | None = None) -> JobRecord:
        """Deliver a job's message to a worker. The default is the last message sent."""
        found = key or self.queue.sent[-1][1]
        Worker(
            self.store,
            self.queue,
            self.submissions.analyses,
            Services(self.artifacts, MemoryPromptStore(), self.model, SETTINGS),
            self.clock,
        ).handle(Message(found, QUEUE_ARN, "receipt"))
        return self.store.jobs[found]


@contextmanager
def opened() -> Iterator[Service]:
    """Patch `api.handler` to use a service."""
    service = Service()
    built = Api.build(service.submissions, SETTINGS.tenant_claim, MemoryWaitingSlots())
    with patch.object(api, "_api", lambda: built):
        yield service


def chat(number: int, *, since: datetime = START, off: int = 0) -> list[dict[str, Any]]:
    """Return this many messages, one per second after `since`, and `off` messages off the record."""
    times = [since + (index + 1) * SECOND for index in range(number + off)]
    return [
        {"text": f"message {index}" if index < number else "a secret", "sent_at": rfc3339(at)}
        | ({} if index < number else {"off_the_record": True})
        for index, at in enumerate(times)
    ]


def analyze(messages: Sequence[Any], trigger: str = "manual", *, user: str = "ada", context: str = "support") -> Answer:
    """Request an analysis."""
    body = {"user_id": user, "context": context, "messages": list(messages), "trigger": trigger}
    return call("POST", "/api/profile/analyze", body)


def status(*, user: str = "ada", context: str = "support") -> Answer:
    """Get the status of the newest analysis for a user and context."""
    return call("GET", f"/api/profile/{user}/{context}/status")
