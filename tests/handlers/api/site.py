"""The API over stores that a test can inspect, with a second analysis beside the example."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from pydantic import BaseModel, ConfigDict, Field

import api
from analysis_jobs import Analysis, Document, Job
from analysis_jobs.api import openapi
from analysis_jobs.api.routes import Api
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import Applied, JobStore
from analysis_jobs.jobs.record import Changes, JobKey
from analysis_jobs.jobs.transitions import CLAIM, Transition
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryQueue
from analysis_jobs.stores.waiting import MemoryWaitingSlots
from analysis_jobs.submission.service import SubmissionService
from rfp_analysis import rfp_analysis
from tests.handlers import events
from tests.handlers.api.documented import Documented
from tests.handlers.builders import some_settings
from tests.handlers.events import Answer, call, send


class Valuation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    isbn: str
    copies: int = Field(default=1, ge=1)
    notes: dict[str, Any] = {}
    scan: Document | None = None


class Price(BaseModel):
    usd: float


def value(_job: Job[Valuation]) -> Price:
    raise NotImplementedError


VALUATION = Analysis(
    "book-valuation", request=Valuation, result=Price, stages=[value], estimated_time=timedelta(seconds=20)
)
BOOK = {"analysis": "book-valuation", "input": {"isbn": "42"}}
# Keyed by the ids of the analyses. The value keeps the analyses alive, so that no id is reused.
_DOCUMENTS: dict[tuple[int, ...], tuple[Analyses, Documented]] = {}
UPLOAD = {"filename": "rfp.pdf", "content_type": "application/pdf", "size": 1000}


@dataclass(frozen=True)
class Site:
    """The stores behind the API."""

    store: JobStore
    queue: MemoryQueue
    artifacts: MemoryArtifactStore
    clock: ManualClock
    documented: Documented
    waiting: MemoryWaitingSlots = field(default_factory=MemoryWaitingSlots)

    def take(self, job_id: str, transition: Transition, **changes: Any) -> None:
        """Apply one transition to a job, as a worker would."""
        key = JobKey("acme", job_id)
        outcome = self.store.transition(
            key, transition, Changes(changes), now=self.clock.now(), read=self.store.get(key)
        )
        assert isinstance(outcome, Applied)

    def claim(self, job_id: str) -> None:
        """Claim the job with a lease of one minute."""
        self.take(job_id, CLAIM, lease_until=self.clock.now() + timedelta(minutes=1), code_version="v7")


@contextmanager
def opened(store: JobStore, clock: ManualClock, *more: Analysis[Any, Any]) -> Iterator[Site]:
    """Patch `api.handler` to use these stores and serve `more` too. Check each answer against the OpenAPI document."""
    queue, artifacts = MemoryQueue(), MemoryArtifactStore()
    settings = some_settings(queue_urls={"medium": "https://sqs/1/jobs", "high": "https://sqs/1/jobs-high"})
    analyses = Analyses([rfp_analysis, VALUATION, *more])
    submissions = SubmissionService(store, queue, artifacts, analyses, settings, clock)
    waiting = MemoryWaitingSlots()
    built = Api.build(submissions, settings.tenant_claim, waiting)
    documented = document_of(built)
    site = Site(store, queue, artifacts, clock, documented, waiting)

    def sent(event: dict[str, Any]) -> Answer:
        answer = send(event)
        documented.check(event["requestContext"]["http"]["method"], event["rawPath"], answer)
        return answer

    with patch.object(api, "_api", lambda: built), patch.object(events, "send", sent):
        yield site


def document_of(built: Api) -> Documented:
    """Return the OpenAPI document of an API. It is cached for each set of analyses."""
    analyses, settings = built.submissions.analyses, built.submissions.settings
    key = tuple(map(id, analyses.values()))
    if key not in _DOCUMENTS:
        _DOCUMENTS[key] = (analyses, Documented(openapi.document(analyses, settings)))
    return _DOCUMENTS[key][1]


def submit(body: Any = BOOK, **options: Any) -> str:
    """Submit a job and return its id."""
    answer = call("POST", "/jobs", body, **options)
    assert answer.status == 202, answer.body
    return str(answer.json["job_id"])


def upload() -> str:
    """Request an upload and return the name of its document."""
    return str(call("POST", "/uploads", UPLOAD).json["document"])
