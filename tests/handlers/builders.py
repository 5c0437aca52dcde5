"""Builders for tests of the engine: rows, a stepped clock, a scripted model, and a worker in memory."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Analysis
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.context import AttemptContext, Services
from analysis_jobs.authoring.report import AttemptReport
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.ports import Applied
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import CLAIM, Status
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.prices import Prices
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
NOTHING = Changes()
_PATIENCE = 60.0  # real seconds after which a test that waits for a thread gives up


def a_job(**fields: Any) -> JobRecord:
    """Return a job that has waited for a minute and can be claimed. `fields` override its fields."""
    created_at = fields.get("created_at", START - MINUTE)
    row: dict[str, Any] = {
        "tenant": "acme",
        "job_id": new_id(created_at),
        "analysis": "valuation",
        "status": Status.QUEUED,
        "input": Payload(text='{"isbn":"42"}'),
        "priority": "medium",
        "created_at": created_at,
        "deadline": START + timedelta(hours=6),
        "max_attempts": 3,
        "due_at": START + MINUTE,
    }
    return JobRecord(**(row | fields))


def a_processing_job(**fields: Any) -> JobRecord:
    """Return a running job with a lease that ends in one minute. `fields` override its fields."""
    held: dict[str, Any] = {
        "status": Status.PROCESSING,
        "attempt": 1,
        "fence": 1,
        "lease_until": START + MINUTE,
        "due_at": START + MINUTE,
    }
    return a_job(**(held | fields))


def some_settings(**fields: Any) -> Settings:
    """Return valid settings. `fields` override them."""
    given = {
        "analyses": "valuation",
        "table_name": "jobs",
        "bucket_name": "artifacts",
        "queue_urls": {"medium": "https://sqs/1/jobs"},
        "code_version": "v7",
        "model_id": "some.model",
    }
    return Settings.model_validate(given | fields)


class SteppedClock(ManualClock):
    """A manual clock for code with a heartbeat. `step` returns after the beat that it triggered."""

    def __init__(self) -> None:
        super().__init__(START)
        self._rests_until = START

    def wait(self, event: threading.Event, duration: timedelta) -> bool:
        self._rests_until = until = self.now() + duration
        while self.now() < until and not event.wait(0.001):
            pass
        return event.is_set()

    def step(self, duration: timedelta) -> None:
        """Wait until the heartbeat is idle, move the clock, and wait until the heartbeat is idle again or has ended."""
        eventually(lambda: self.rests or not heartbeat_lives())
        self.advance(duration)
        eventually(lambda: self.rests or not heartbeat_lives())

    @property
    def rests(self) -> bool:
        """Whether the heartbeat is idle: it waits for the clock to move."""
        return self._rests_until > self.now()


def heartbeat_lives() -> bool:
    """Return whether a heartbeat thread is running."""
    return any(thread.name == "heartbeat" for thread in threading.enumerate())


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until another thread makes `condition` true. Fail on a timeout."""
    glance = threading.Event()
    for _ in range(int(_PATIENCE / 0.001)):
        if condition():
            return
        glance.wait(0.001)
    raise AssertionError("a thread did not get where it should")


type Line = Reply | Exception | Callable[[Question], Reply]


class ScriptedModel:
    """A model that streams the answers of its script in order, and records the questions."""

    def __init__(self, *script: Line) -> None:
        self._script = list(script)
        self.questions: list[Question] = []

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:  # noqa: ARG002
        """See `Model.ask`."""
        self.questions.append(question)
        line = self._script.pop(0)
        if isinstance(line, Exception):
            raise line
        reply = line if isinstance(line, Reply) else line(question)
        for piece in _pieces(reply.text):
            on_chunk(piece)
        return reply


def says(text: str, *, input_tokens: int = 10, output_tokens: int = 5) -> Reply:
    """Return a complete answer."""
    return Reply(text, None, "end_turn", Usage(1, input_tokens, output_tokens))


def _pieces(text: str) -> Sequence[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


class Book(BaseModel):
    """The input of the analysis under test."""

    isbn: str


class Value(BaseModel):
    """The result of the analysis under test."""

    text: str
    pounds: float = 0


QUEUE_ARN = "arn:aws:sqs:eu-west-1:1:jobs"


@dataclass
class Shop:
    """A worker and a sweeper over stores in memory. `stages` are the stages of the only analysis."""

    stages: Sequence[Callable[[Any], Any]]
    model: ScriptedModel = field(default_factory=ScriptedModel)
    settings: Settings = field(default_factory=some_settings)
    prices: Prices = field(default_factory=Prices)
    clock: SteppedClock = field(default_factory=SteppedClock)
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)
    request: type[BaseModel] = Book
    result: type[BaseModel] = Value
    documents: DocumentReader = field(default_factory=DocumentReader)

    @property
    def worker(self) -> Worker:
        """A new worker at each access."""
        analysis = Analysis("valuation", request=self.request, result=self.result, stages=self.stages)
        return Worker(
            self.store,
            self.queue,
            Analyses([analysis]),
            Services(
                self.artifacts,
                MemoryPromptStore(),
                self.model,
                self.settings,
                prices=self.prices,
                documents=self.documents,
            ),
            self.clock,
        )

    @property
    def sweeper(self) -> Sweeper:
        """A new sweeper at each access."""
        return Sweeper(self.store, self.queue, self.settings, self.clock)

    def keep(self, **fields: Any) -> JobKey:
        """Create a waiting job and return its key. `fields` override its fields."""
        job = a_job(**({"stage": self.stages[0].__name__} | fields))
        self.store.create(job, None)
        return job.key

    def job(self, key: JobKey) -> JobRecord:
        """Return the current row of a job."""
        return self.store.jobs[key]

    def deliver(self, key: JobKey, *, time: timedelta | None = None) -> JobRecord:
        """Deliver a job's message to a worker with `time` left. Return the job afterwards."""
        stop_at = None if time is None else self.clock.now() + time
        self.worker.handle(Message(key, QUEUE_ARN, "receipt"), stop_at)
        return self.job(key)

    def another_worker_claims(self, key: JobKey) -> JobRecord:
        """Let the lease expire, and let another worker claim the job."""
        self.let_the_lease_run_out(key)
        until = self.clock.now() + self.settings.lease
        changes = Changes({"lease_until": until, "due_at": until})
        outcome = self.store.transition(key, CLAIM, changes, now=self.clock.now())
        assert isinstance(outcome, Applied)
        return outcome.job

    def let_the_lease_run_out(self, key: JobKey) -> None:
        """Make the lease expire now. The heartbeat gets no chance to renew it."""
        self.store.jobs[key] = replace(self.job(key), lease_until=self.clock.now())


@dataclass
class FreeControl:
    """The control of an attempt without a time limit. `check` may raise."""

    check: Callable[[], None] = lambda: None
    cancellation: CancellationToken = field(default_factory=CancellationToken)

    def time_left(self) -> timedelta:
        return timedelta.max


def a_context(
    record: JobRecord, *, check: Callable[[], None] = lambda: None, model_id: str = "some.model", **services: Any
) -> AttemptContext:
    """Return the context of an attempt, in memory. `services` are fields of `Services`."""
    given: dict[str, Any] = {
        "artifacts": MemoryArtifactStore(),
        "prompts": MemoryPromptStore(),
        "model": ScriptedModel(),
        "settings": some_settings(),
    }
    ports = Services(**given | services)

    def write(_changes: Mapping[str, Any]) -> None:
        check()

    return AttemptContext(
        record,
        ports,
        FreeControl(check),
        Checkpoints(record, ports.artifacts, {}, write),
        AttemptReport(record, ports.artifacts, ports.prices),
        write,
        model_id,
    )
