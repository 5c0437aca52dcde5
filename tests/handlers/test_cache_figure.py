"""The share of the repeated input tokens that the five examples read from the prompt caches of the stand-in."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import book_models
import book_valuation as book
import credential_extraction as credential
import drawing_schedule as drawing
import profile_interpretation as profile
import rfp_analysis as rfp
from analysis_jobs import Analysis
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.llm.router import is_gemini
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import QUEUE_ARN, START, a_job, some_settings
from tests.handlers.models import BEDROCK_ID, bedrock, gemini
from tests.handlers.pdfs import pdf

WANTED = 0.6
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_PICTURE_TOKENS = 1_600
_SHORTEST_LINE = 20


@dataclass
class Meter:
    """A model that counts, for each question, the tokens that an earlier question of the job had, and those read.

    A line counts as repeated if an earlier question to the same model had it.
    """

    ports: Mapping[bool, Model]
    lines: set[tuple[str, str | bytes]] = field(default_factory=set)
    repeated: int = 0
    read: int = 0
    calls: int = 0

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`."""
        reply = self.ports[is_gemini(question.model_id)].ask(question, on_chunk, cancellation)
        sizes: dict[str | bytes, int] = {each.content: _PICTURE_TOKENS for each in question.attachments}
        for line in f"{question.document}\n{question.prompt}".splitlines():
            if len(line) >= _SHORTEST_LINE:
                sizes[line] = len(line) // 4
        repeated = sum(size for part, size in sizes.items() if (question.model_id, part) in self.lines)
        self.lines |= {(question.model_id, part) for part in sizes}
        self.repeated += repeated
        self.read += min(repeated, reply.usage.cache_read_tokens)
        self.calls += 1
        return reply


@dataclass(frozen=True)
class Run:
    """One example: its request, its uploads by field, and the stages without those that need a database."""

    request: type[BaseModel]
    stages: Sequence[Callable[[Any], Any]]
    given: Mapping[str, Any] = field(default_factory=dict)
    uploads: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def small_print(count: int = 100) -> list[str]:
    return [f"Clause {number}: the parties keep to what clause {number} says." for number in range(count)]


def long_text(path: str) -> bytes:
    """Return an example's document with small print after it, so that it is long enough for a cache."""
    return "\n".join([(EXAMPLES / path).read_text(encoding="utf-8"), *small_print()]).encode()


def _certificate() -> bytes:
    lines = ["Certificate of Continuing Education", "Holder: Ada Example", "Course: Infection Control", "Credits: 7.5"]
    return "\n".join([*lines, *small_print(300)]).encode()


def _drawing() -> bytes:
    return pdf([f"CAM-{row:02} camera in room {row}" for row in range(12)])


def _messages() -> list[dict[str, str]]:
    at = "2026-01-01T10:00:00Z"
    return [{"text": f"Message {number}: why is bridge {number} closed?", "sent_at": at} for number in range(200)]


RUNS = {
    "book-valuation": Run(
        book_models.Book,
        book.book_valuation.stages[:2],
        json.loads((EXAMPLES / "book-valuation/documents/river-voyages.json").read_text(encoding="utf-8")),
        {"document": ("entry.txt", "\n".join(small_print()).encode())},
    ),
    "credential-extraction": Run(
        credential.Credential,
        credential.credential_extraction.stages[:4],
        uploads={"document": ("certificate.txt", _certificate())},
    ),
    "drawing-schedule": Run(
        drawing.Drawing,
        drawing.drawing_schedule.stages,
        uploads={
            "drawing": ("drawing.pdf", _drawing()),
            "context": ("brief.txt", long_text("drawing-schedule/documents/harbour-point-brief.md")),
        },
    ),
    "profile-interpretation": Run(
        profile.Chat,
        profile.profile_interpretation.stages,
        {"user_id": "u1", "context": "support", "messages": _messages()},
    ),
    "rfp-analysis": Run(
        rfp.Rfp,
        rfp.rfp_analysis.stages,
        uploads={"document": ("rfp.txt", long_text("rfp-analysis/documents/coastal-road-resilience.txt"))},
    ),
}


def measure(stand_in: StandIn, case: Run) -> Meter:
    """Run a job of an example to its end."""
    meter = Meter({True: gemini(stand_in.url, silence_s=60), False: bedrock(stand_in.url, silence_s=60)})
    clock, store, artifacts = ManualClock(START), MemoryJobStore(), MemoryArtifactStore()
    given = dict(case.given)
    for name, (filename, content) in case.uploads.items():
        given[name] = f"{new_id(START)}/{filename}"
        artifacts.write(upload_key("acme", given[name]), content, "")
    analysis = Analysis("measured", request=case.request, result=Anything, stages=[*case.stages, _end])
    services = Services(artifacts, MemoryPromptStore(), meter, some_settings(model_id=BEDROCK_ID))
    job = a_job(
        analysis="measured",
        input=Payload(text=json.dumps(given)),
        stage=case.stages[0].__name__,
        subject="documents/42",
    )
    store.create(job, None)
    Worker(store, MemoryQueue(), Analyses([analysis]), services, clock).handle(Message(job.key, QUEUE_ARN, "receipt"))
    assert store.jobs[job.key].status is Status.COMPLETED, store.jobs[job.key].failure
    return meter


class Anything(BaseModel):
    """The result of a run whose last stage is left out."""


def _end(_job: Any) -> Anything:
    return Anything()


def figures(stand_in: StandIn) -> dict[str, tuple[int, int]]:
    """Return for each example the repeated tokens, and how many of them were read from the cache."""
    found = {}
    for name, case in RUNS.items():
        meter = measure(stand_in, case)
        found[name] = (meter.repeated, meter.read)
    return found


def share(found: Mapping[str, tuple[int, int]]) -> float:
    return sum(read for _, read in found.values()) / sum(repeated for repeated, _ in found.values())


def test_most_of_the_repeated_input_is_read_from_the_cache(stand_in: StandIn) -> None:
    found = figures(stand_in)
    assert found["credential-extraction"][0] > 3_000, "its second stage sends the document again"
    print(found, share(found))
    assert share(found) >= WANTED, found


def test_a_repair_turn_reads_the_document_where_the_first_question_wrote_it(stand_in: StandIn) -> None:
    stand_in.set(*({"nonsense": True, "tool": name, "times": 1} for name in ("Classification", "Brief")))
    twice, once = (measure(stand_in, RUNS[name]) for name in ("credential-extraction", "rfp-analysis"))
    assert twice.calls == 3
    assert twice.read == twice.repeated > 7_000, "both stages ask, so the first question is worth a write"
    assert (once.calls, once.read) == (2, 0), "a job that asks once does not pay for a cache in advance"
