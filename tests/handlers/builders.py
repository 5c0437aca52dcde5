"""What the tests of the engine are made of: rows, a clock that is moved step by step, a model that follows a script."""

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
    """Return a waiting job of a minute ago that nothing keeps from being claimed, with `fields` instead."""
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
    """Return a job in the hands of a worker whose lease ends a minute from now, with `fields` instead."""
    held: dict[str, Any] = {
        "status": Status.PROCESSING,
        "attempt": 1,
        "fence": 1,
        "lease_until": START + MINUTE,
        "due_at": START + MINUTE,
    }
    return a_job(**(held | fields))


def some_settings(**fields: Any) -> Settings:
    """Return settings that are valid, with `fields` instead."""
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
    """A manual clock for code with a heartbeat: `step` returns when the beat that it caused is over."""

    def __init__(self) -> None:
        super().__init__(START)
        self._rests_until = START

    def wait(self, event: threading.Event, duration: timedelta) -> bool:
        self._rests_until = until = self.now() + duration
        while self.now() < until and not event.wait(0.001):
            pass
        return event.is_set()

    def step(self, duration: timedelta) -> None:
        """Move the clock, once the heartbeat rests, and wait until it rests again or has ended."""
        eventually(lambda: self.rests or not heartbeat_lives())
        self.advance(duration)
        eventually(lambda: self.rests or not heartbeat_lives())

    @property
    def rests(self) -> bool:
        """Whether the heartbeat waits for time to pass."""
        return self._rests_until > self.now()


def heartbeat_lives() -> bool:
    """Tell whether a heartbeat's thread runs."""
    return any(thread.name == "heartbeat" for thread in threading.enumerate())


def eventually(condition: Callable[[], bool]) -> None:
    """Return as soon as another thread has made `condition` true; fail where it never does."""
    glance = threading.Event()
    for _ in range(int(_PATIENCE / 0.001)):
        if condition():
            return
        glance.wait(0.001)
    raise AssertionError("a thread did not get where it should")


type Line = Reply | Exception | Callable[[Question], Reply]


class ScriptedModel:
    """A model that gives the lines of its script one after the other, in pieces, and keeps what it was asked."""

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
    """Return a whole answer."""
    return Reply(text, None, "end_turn", Usage(1, input_tokens, output_tokens))


def _pieces(text: str) -> Sequence[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


class Book(BaseModel):
    """The request of the analysis under test."""

    isbn: str


class Value(BaseModel):
    """Its result."""

    text: str
    pounds: float = 0


QUEUE_ARN = "arn:aws:sqs:eu-west-1:1:jobs"


@dataclass
class Shop:
    """A worker and a sweeper with everything they need, in memory; `stages` are those of its one analysis."""

    stages: Sequence[Callable[[Any], Any]]
    model: ScriptedModel = field(default_factory=ScriptedModel)
    settings: Settings = field(default_factory=some_settings)
    prices: Prices = field(default_factory=Prices)
    clock: SteppedClock = field(default_factory=SteppedClock)
    store: MemoryJobStore = field(default_factory=MemoryJobStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)

    @property
    def worker(self) -> Worker:
        """A worker: each is another one."""
        analysis = Analysis("valuation", request=Book, result=Value, stages=self.stages)
        return Worker(
            self.store,
            self.queue,
            Analyses([analysis]),
            Services(self.artifacts, MemoryPromptStore(), self.model, self.settings, prices=self.prices),
            self.clock,
        )

    @property
    def sweeper(self) -> Sweeper:
        """A sweeper."""
        return Sweeper(self.store, self.queue, self.settings, self.clock)

    def keep(self, **fields: Any) -> JobKey:
        """Create a job that waits, with `fields` instead."""
        job = a_job(**({"stage": self.stages[0].__name__} | fields))
        self.store.create(job, None)
        return job.key

    def job(self, key: JobKey) -> JobRecord:
        """Return a job as it is now."""
        return self.store.jobs[key]

    def deliver(self, key: JobKey, *, time: timedelta | None = None) -> JobRecord:
        """Give a worker a message about a job, and `time` for it; return the job after that."""
        stop_at = None if time is None else self.clock.now() + time
        self.worker.handle(Message(key, QUEUE_ARN, "receipt"), stop_at)
        return self.job(key)

    def another_worker_claims(self, key: JobKey) -> JobRecord:
        """Let the lease run out, and let somebody else have the job."""
        self.let_the_lease_run_out(key)
        until = self.clock.now() + self.settings.lease
        changes = Changes({"lease_until": until, "due_at": until})
        outcome = self.store.transition(key, CLAIM, changes, now=self.clock.now())
        assert isinstance(outcome, Applied)
        return outcome.job

    def let_the_lease_run_out(self, key: JobKey) -> None:
        """Make the lease end now, without a moment in which the heartbeat could renew it."""
        self.store.jobs[key] = replace(self.job(key), lease_until=self.clock.now())


@dataclass
class FreeControl:
    """An attempt that may go on for ever, unless `check` raises."""

    check: Callable[[], None] = lambda: None
    cancellation: CancellationToken = field(default_factory=CancellationToken)

    def time_left(self) -> timedelta:
        return timedelta.max


def a_context(
    record: JobRecord, *, check: Callable[[], None] = lambda: None, model_id: str = "some.model", **services: Any
) -> AttemptContext:
    """Return what an attempt at a job works with, in memory; `services` are fields of `Services`."""
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
