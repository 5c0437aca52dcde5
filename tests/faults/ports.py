"""The library's ports for the model check: every request is a scheduling point at which a fault can be injected.

A request can fail, lose its reply, be executed twice or late, or never be executed because its process dies first.
Each port wraps an in-memory implementation and reports every executed write to the ledger.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Defer, Fail, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, RetryCount
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    JobMessage,
    JobStore,
    Step,
    StoredOutcome,
    Superseded,
    WriteConflict,
)
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord
from analysis_jobs.jobs.tiers import TierPointer
from analysis_jobs.jobs.transitions import Transition
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.faults.invariants import answer
from tests.faults.ledger import Ledger
from tests.faults.scheduler import Process, Scheduler, VirtualClock

VISIBILITY = timedelta(seconds=90)


class Fault(Enum):
    """A fault that the driver injects into one request. No fault: the request is executed and answered."""

    FAIL = "the request is lost"
    LOST = "the request is executed, and its reply is lost"
    TWICE = "the request is executed twice"
    LATE = "the caller sees an error, and the request is executed later"
    TWIN = "the request is executed, and a copy of it later"
    THROTTLE = "the model throttles"
    WAIT = "the model asks for a wait longer than SQS can delay a message"
    RETRY = "the model returns a retryable error"
    TIMEOUT = "the model times out"
    REFUSE = "the model refuses the request"
    PARTLY = "the queue refuses every second message of a request"


@dataclass
class Network:
    """Executes requests with the faults that the driver chooses. `late` holds the requests that are still delayed."""

    scheduler: Scheduler
    late: list[Callable[[], None]] = field(default_factory=list)
    fault: Fault | None = None  # of the request that is being executed

    @property
    def process(self) -> Process:
        """The process that runs now."""
        assert self.scheduler.current is not None
        return self.scheduler.current.process

    def perform[Answer](self, at: str, request: Callable[[], Answer]) -> Answer:
        """Wait for a turn at the point `at`, then execute `request` with the fault that came with the turn.

        The reply is a second scheduling point: the process can die between its write and the reply.
        Raises `ConnectionError` if the fault loses the request or its reply.
        """
        fault = self.scheduler.point(at)
        if fault in {Fault.LATE, Fault.TWIN}:
            self.late.append(lambda: (request(), None)[1])
        if fault in {Fault.FAIL, Fault.LATE}:
            raise ConnectionError(f"{at}: no connection")
        if fault is Fault.TWICE:
            request()
        self.fault = fault
        answered = request()
        self.fault = None
        self.scheduler.point("answer")
        if fault is Fault.LOST:
            raise ConnectionError(f"{at}: no answer")
        return answered


@dataclass
class ObservedStore:
    """A job store that sends each request through the network and reports each write to the ledger when it lands."""

    inner: JobStore
    network: Network
    ledger: Ledger

    def create(
        self, job: JobRecord, idempotency: IdempotencyKey | None, pointer_until: datetime | None = None
    ) -> Created | StoredOutcome:
        """See `JobStore.create`."""

        def request() -> Created | StoredOutcome:
            return self._created(job.key, self.inner.create(job, idempotency, pointer_until))

        return self.network.perform("create", request)

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """See `JobStore.admit`."""

        def request() -> Created | WriteConflict:
            return self._created(job.key, self.inner.admit(job, idempotency, admission_write))

        return self.network.perform("create", request)

    def stored_outcome(self, tenant: str, idempotency: IdempotencyKey, now: datetime) -> StoredOutcome | None:
        """See `JobStore.stored_outcome`."""
        return self.network.perform("read", lambda: self.inner.stored_outcome(tenant, idempotency, now))

    def read_admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, StoredOutcome | None]:
        """See `JobStore.read_admission_state`."""
        return self.network.perform("read", lambda: self.inner.read_admission_state(admission_key, idempotency, now))

    def record_outcome(
        self, tenant: str, idempotency: IdempotencyKey, answered: StoredOutcome, now: datetime
    ) -> StoredOutcome | None:
        """See `JobStore.record_outcome`."""
        return self.network.perform("create", lambda: self.inner.record_outcome(tenant, idempotency, answered, now))

    def retry(
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,
        newest_only: bool,
        counted: RetryCount | None = None,
    ) -> Applied | ConditionFailed | Superseded | WriteConflict:
        """See `JobStore.retry`."""
        asked = self.ledger.request("retry", self.network.process, now, keeps=False)

        def request() -> Applied | ConditionFailed | Superseded | WriteConflict:
            outcome = self.inner.retry(
                job, changes, now=now, pointer_until=pointer_until, newest_only=newest_only, counted=counted
            )
            if isinstance(outcome, Applied):
                self.ledger.wrote(asked, outcome.job)
            return outcome

        return self.network.perform("retry", request)

    def _created[Outcome](self, key: JobKey, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Created):
            found = self.inner.get(key)
            if found is not None:
                self.ledger.created(key, found)
            else:
                assert self.ledger.lives[key].erased
        return outcome

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`."""
        return self.network.perform("read", lambda: self.inner.get(key))

    def due(self, now: datetime) -> Iterator[JobKey]:
        """See `JobStore.due`."""
        yield from self.network.perform("read", lambda: list(self.inner.due(now)))

    def held(self, keys: Sequence[JobKey], now: datetime) -> frozenset[JobKey]:
        """See `JobStore.held`."""
        return self.network.perform("read", lambda: self.inner.held(keys, now))

    def read_many(self, keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
        """See `JobStore.read_many`."""
        return self.network.perform("read", lambda: self.inner.read_many(keys))

    def transition(
        self, key: JobKey, transition: Transition, changes: Changes, *, now: datetime, read: JobRecord | None = None
    ) -> Applied | ConditionFailed:
        """See `JobStore.transition`."""
        asked = self.ledger.request(transition.name, self.network.process, now, keeps="checkpoints" in changes.values)

        def request() -> Applied | ConditionFailed:
            outcome = self.inner.transition(key, transition, changes, now=now, read=read)
            if isinstance(outcome, Applied):
                self.ledger.wrote(asked, outcome.job)
            return outcome

        outcome = self.network.perform(transition.name, request)
        if transition.name == "claim":
            self.ledger.claim_confirmed(asked.process, key)
            if isinstance(outcome, ConditionFailed):
                self.ledger.claim_refused(asked.process, key)
        elif asked.claim and isinstance(outcome, ConditionFailed):
            asked.claim.knows_it_lost = True
        return outcome

    def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
        """See `JobStore.transition_all`."""
        process = self.network.process
        asked = [self.ledger.request(step.transition.name, process, step.now, keeps=False) for step in steps]

        def request() -> Sequence[JobRecord] | None:
            rows = self.inner.transition_all(steps)
            for each, row in zip(asked, rows or (), strict=rows is not None):
                self.ledger.wrote(each, row)
            return rows

        return self.network.perform("together", request)

    def claimable(self, priority: str, limit: int) -> Sequence[JobKey]:
        """See `JobStore.claimable`."""

        def request() -> tuple[Sequence[JobKey], dict[JobKey, JobRecord]]:
            return self.inner.claimable(priority, limit), self.ledger.in_order(priority)

        found, there = self.network.perform("look", request)
        self.ledger.order_read(self.network.process, there)
        return found

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`."""
        return self.inner.latest(tenant, analysis, subject)

    def list_jobs(self, listing: Any) -> Any:
        """See `JobStore.list_jobs`."""
        return self.inner.list_jobs(listing)


@dataclass(eq=False)
class SentMessage:
    """A message in the queue."""

    key: JobKey
    tier_pointer: TierPointer | None
    visible_at: datetime
    alone: bool


@dataclass
class VirtualQueue:
    """A queue in virtual time, with delays and a visibility timeout. A handled message is deleted by the world."""

    network: Network
    ledger: Ledger
    clock: VirtualClock
    messages: dict[str, SentMessage] = field(default_factory=dict)
    sent: list[SentMessage] = field(default_factory=list)

    def can_delay(self, priority: str, delay: timedelta) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.can_delay`."""
        return delay <= timedelta(minutes=15)

    def is_fifo(self, priority: str) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.is_fifo`."""
        return False

    def send(
        self,
        priority: str,
        job: JobKey,
        *,
        dedupe: str,
        delay: timedelta = timedelta(),
        tier_rank: int | None = None,
        subject: str | None = None,
        alone: bool = False,
    ) -> None:
        """See `JobQueue.send`."""
        self.ledger.sent(self.network.process, job, dedupe)
        message = JobMessage(priority, job, dedupe, delay, tier_rank, subject, alone)
        self.network.perform("send", lambda: self._keep(message))

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        """See `JobQueue.send_all`. As on SQS, some messages may be taken and others refused."""
        for message in messages:
            self.ledger.sent(self.network.process, message.job, message.dedupe)

        def request() -> Sequence[JobMessage]:
            refused = messages[::2] if self.network.fault is Fault.PARTLY else ()
            for message in messages:
                if message not in refused:
                    self._keep(message)
            return refused

        try:
            return self.network.perform("send all", request)
        except ConnectionError:
            return messages

    def _keep(self, sent: JobMessage) -> None:
        tier = sent.tier_rank
        pointer = None if tier is None else TierPointer(sent.priority, tier, delayed=sent.delay > timedelta())
        message = SentMessage(sent.job, pointer, self.clock.now() + sent.delay, sent.alone)
        self.sent.append(message)
        self.messages[f"message {len(self.sent)}"] = message

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""

        def request() -> None:
            if receipt_handle in self.messages:
                self.messages[receipt_handle].visible_at = self.clock.now() + visibility

        self.network.perform("extend", request)

    def visible(self) -> Sequence[str]:
        """Return the receipts of the messages that can be received."""
        return [name for name, message in self.messages.items() if message.visible_at <= self.clock.now()]

    def receive(self, receipt: str) -> SentMessage:
        """Return a message, and hide it for the visibility timeout."""
        message = self.messages[receipt]
        message.visible_at = self.clock.now() + VISIBILITY
        return message


class ObservedArtifacts(MemoryArtifactStore):
    """A bucket that sends each request through the network and reports each write to the ledger."""

    def __init__(self, network: Network, ledger: Ledger) -> None:
        super().__init__()
        self._network, self._ledger = network, ledger

    def read(self, key: str, max_bytes: int, version: str | datetime | None = None) -> bytes:
        """See `ArtifactStore.read`."""
        return self._network.perform("fetch", lambda: MemoryArtifactStore.read(self, key, max_bytes, version))

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """See `ArtifactStore.write`."""
        process = self._network.process

        def request() -> None:
            self._ledger.put(key, process, new=self.objects.get(key) != body)
            MemoryArtifactStore.write(self, key, body, content_type)

        self._network.perform("put", request)


@dataclass
class ScheduledModel:
    """A model for the analyses of `world`. Each call is one scheduling point, and the driver may inject a fault there.

    A prompt is the name of a unit of work, spelled like its checkpoint. The answer contains the fencing token of the
    claim that asked, so that the invariants can tell which claim an answer came from.
    """

    network: Network
    ledger: Ledger

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`."""
        key = JobKey("acme", question.metadata["job_id"])
        self.ledger.asked(self.network.process, key, question.prompt)
        cut: list[bool] = []
        with cancellation.on_cancel(lambda: cut.append(True)):
            fault = self.network.scheduler.point("model")
        if cut:
            raise Retry("model_connection", "cut off")
        match fault:
            case Fault.THROTTLE:
                raise Defer("model_throttled", "wait")
            case Fault.WAIT:
                raise Defer("model_quota_exceeded", "wait for longer", timedelta(minutes=20))
            case Fault.RETRY:
                raise Retry("model_error", "once more")
            case Fault.TIMEOUT:
                raise Retry("model_timeout", "silence")
            case Fault.REFUSE:
                raise Fail("model_refused_request", "no")
        text = answer(question.prompt, key.job_id, self.ledger.answered(self.network.process, question.prompt))
        on_chunk(text)
        return Reply(text, None, "end_turn", Usage(1, 10, 5))
