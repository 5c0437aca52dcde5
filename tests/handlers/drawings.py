"""The integrator's side of `drawing-schedule` in process: uploads, routes, a worker, and a reading model."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from analysis_jobs_dev.cloud.stand_in.answers import Conversation
from analysis_jobs_dev.cloud.stand_in.filling import fill
from drawing_schedule import drawing_schedule
from tests.handlers.api.site import Site
from tests.handlers.builders import QUEUE_ARN, some_settings
from tests.handlers.events import Answer, call

DOCUMENTS = Path(__file__).resolve().parents[2] / "examples" / "drawing-schedule" / "documents"
HARBOUR = DOCUMENTS / "harbour-point-level-1.pdf"
CLINIC = DOCUMENTS / "millbrook-clinic-ground-floor.pdf"
BRIEF = DOCUMENTS / "harbour-point-brief.docx"
ROUTE = "/clients/harbour-point/projects/fit-out/drawings"
HEADER = ["Tag", "Device", "Location", "Height (mm)", "Cable", "Panel"]


def listed(drawing: Path) -> list[list[Any]]:
    """Return the device list that a drawing was made from. Its schedule must hold these devices."""
    plan = tomllib.loads(drawing.with_suffix(".toml").read_text(encoding="utf-8"))
    names = ("tag", "device", "location", "height_mm", "cable", "panel")
    return [[each[name] for name in names] for each in plan["devices"] if each.get("listed", True)]


@dataclass
class ReadingModel:
    """A model that answers as the local stand-in does."""

    questions: list[Question] = field(default_factory=list)

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:  # noqa: ARG002
        """See `Model.ask`."""
        self.questions.append(question)
        assert question.tool
        tier_pointer = Conversation(messages=[{"role": "user", "content": [{"text": question.prompt}]}])
        data = fill(question.tool.schema, tier_pointer.source)
        assert isinstance(data, dict)
        on_chunk(json.dumps(data))
        return Reply(json.dumps(data), data, "end_turn", Usage(1, 100, 50))

    @property
    def asked(self) -> list[str]:
        """The result shapes of the questions, in order."""
        return [question.tool.name for question in self.questions if question.tool]


@dataclass
class Integrator:
    """A tenant that calls the API, with a worker for the queue."""

    site: Site
    model: ReadingModel = field(default_factory=ReadingModel)

    def upload(self, content: bytes, name: str) -> str:
        """Upload a document and return its name for a submission."""
        asked = {"filename": name, "content_type": "application/pdf", "size": max(1, len(content))}
        answer = call("POST", "/uploads", asked).json
        self.site.artifacts.objects[answer["upload"]["fields"]["key"]] = content
        return str(answer["document"])

    def submit(self, drawing: bytes, *, brief: bytes | None = None, **body: Any) -> Answer:
        """Upload a drawing and an optional brief, and submit them."""
        given = {"drawing": self.upload(drawing, "drawing.pdf"), **body}
        if brief is not None:
            given["context"] = self.upload(brief, "brief.docx")
        return call("POST", ROUTE, given)

    def work(self) -> None:
        """Deliver all messages to workers until the queue is empty, one message per invocation."""
        while self.site.queue.sent:
            _, key, delay = self.site.queue.sent.pop(0)
            self.site.clock.advance(delay)
            self.deliver(key)

    def deliver(self, key: JobKey) -> None:
        """Deliver a job's message to a worker."""
        worker = Worker(
            self.site.store,
            self.site.queue,
            Analyses([drawing_schedule]),
            Services(self.site.artifacts, MemoryPromptStore(), self.model, some_settings()),
            self.site.clock,
        )
        worker.handle(Message(key, QUEUE_ARN, "receipt"))

    def done(self, drawing: Path, **given: Any) -> Any:
        """Submit a drawing, run its job to the end, and return the status."""
        job_id = self.submit(drawing.read_bytes(), **given).json["job_id"]
        self.work()
        job = self.status(job_id)
        assert job["status"] == "completed", job["error"]
        return job

    def status(self, job_id: str) -> Any:
        """Return the job's status."""
        return call("GET", f"/status/{job_id}").json

    def file(self, job_id: str, file_type: str) -> bytes:
        """Download a file and return its content."""
        answer = call("GET", f"/download/{job_id}/{file_type}")
        assert answer.status == 302, answer.body
        key = answer.headers["location"].removeprefix("memory://download/").partition("?")[0]
        return self.site.artifacts.objects[key]
