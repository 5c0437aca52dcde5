"""Runs an analysis that a page shows: one job, in memory."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.llm.model import Model, Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.builders import QUEUE_ARN, a_job, some_settings

MODEL_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@dataclass(frozen=True)
class Ran:
    """How a job ended."""

    job: JobRecord

    @property
    def result(self) -> Any:
        """The result. Fails if there is none."""
        assert self.job.result is not None, self.job.failure
        return json.loads(self.job.result.text or "")


def run(
    analysis: Analysis[Any, Any],
    model: Model,
    given: Mapping[str, Any] | None = None,
    *,
    document: tuple[str, bytes] | None = None,
    deliveries: int = 1,
) -> Ran:
    """Run one job on the input `given`; a `document` (name, content) is uploaded before, as its field `document`.

    Its message is delivered `deliveries` times, one after the other.
    """
    clock, store, artifacts = SystemClock(), MemoryJobStore(), MemoryArtifactStore()
    now = clock.now()
    input_ = dict(given or {})
    if document is not None:
        name, content = document
        input_["document"] = f"{new_id(now)}/{name}"
        artifacts.write(upload_key("acme", input_["document"]), content, "")
    job = a_job(
        analysis=analysis.name,
        input=Payload(text=json.dumps(input_)),
        created_at=now,
        deadline=now + analysis.deadline,
        due_at=now,
        stage=analysis.stages[0].__name__,
    )
    store.create(job, None)
    services = Services(artifacts, MemoryPromptStore(), model, some_settings(model_id=MODEL_ID))
    worker = Worker(store, MemoryQueue(), Analyses([analysis]), services, clock)
    for _ in range(deliveries):
        worker.handle(Message(job.key, QUEUE_ARN, "receipt"))
    return Ran(store.jobs[job.key])


def analysis_of(stage: Callable[[Job[Any]], Any], request: type[BaseModel], result: type[BaseModel]) -> Any:
    """Return an analysis of a single stage that a page shows."""
    return Analysis("shown", request=request, result=result, stages=[stage])


def answers(data: Mapping[str, Any]) -> Reply:
    """Return a model's answer in a schema."""
    return Reply(json.dumps(data), dict(data), "tool_use", Usage(1, 10, 5))
