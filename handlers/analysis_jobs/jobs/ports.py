"""The interfaces to the outside. The stores in memory and on AWS pass the same contract tests."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, Outcome, RetryCount
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord, Listing, written
from analysis_jobs.jobs.transitions import Guard, Transition


@dataclass(frozen=True)
class Created:
    """The job was written."""

    job: JobRecord


@dataclass(frozen=True)
class StoredOutcome:
    """The outcome that is stored with an idempotency key. As the result of a write: the key was used before.

    `body_digest` is the digest of the earlier request. `reason` is a JSON text. `job_id` is None if that request
    returned no job.
    """

    job_id: str | None
    body_digest: str
    outcome: Outcome = Outcome.CREATED
    reason: str = "{}"


@dataclass(frozen=True)
class WriteConflict:
    """The write lost against a concurrent one. Nothing was written. Read the state and decide again."""


@dataclass(frozen=True)
class Superseded:
    """The subject has a newer job. Nothing was written."""

    newest_job_id: str


@dataclass(frozen=True)
class Applied:
    """The conditional write took effect. `job` is the row after it."""

    job: JobRecord


@dataclass(frozen=True)
class ConditionFailed:
    """The condition did not hold. Nothing was written. `job` is the stored row, None if it does not exist.

    `erased` tells that the job was erased.
    """

    job: JobRecord | None
    erased: bool = False


@dataclass(frozen=True)
class Step:
    """One transition of one job, not written yet. `read` is the row that the caller has read."""

    read: JobRecord
    transition: Transition
    changes: Changes
    now: datetime

    @property
    def after(self) -> JobRecord:
        """The row after this step, if nothing else has changed it since it was read."""
        return written(self.read, self.transition, self.changes, self.now, self.read)


@dataclass(frozen=True)
class RowChange:
    """A job's row after a write. `before` is the row before it, None if the write created the row."""

    job: JobRecord
    before: JobRecord | None


@dataclass(frozen=True)
class Page:
    """A page of jobs, newest first. `next_before_id` is the `before_id` of the next page, None on the last page."""

    jobs: Sequence[JobRecord]
    next_before_id: str | None


class JobStore(Protocol):
    """The table of jobs."""

    def create(
        self, job: JobRecord, idempotency: IdempotencyKey | None, pointer_until: datetime | None = None
    ) -> Created | StoredOutcome:
        """Write a new job, its subject's pointer and its idempotency key in one transaction.

        The pointer may expire after `pointer_until` (None: never). Returns `StoredOutcome` without a write if the key
        was used before. Raises `TimeoutError` if concurrent writes conflict too often.
        """

    def stored_outcome(self, tenant: str, idempotency: IdempotencyKey, now: datetime) -> StoredOutcome | None:
        """Return the outcome that is stored with an idempotency key; None if the key was not used or has expired."""

    def read_admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, StoredOutcome | None]:
        """Return the input of the admission decision, and the outcome stored with the idempotency key.

        All reads are strongly consistent.
        """

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """Write a new job, its idempotency key and its pointers in one transaction.

        The condition is that the pointers still equal `admission_write.expected` and that the key is unused.
        """

    def record_outcome(
        self,
        tenant: str,
        idempotency: IdempotencyKey,
        outcome: StoredOutcome,
        now: datetime,
    ) -> StoredOutcome | None:
        """Store the outcome of a submission that created no job. If the key was used before, return that outcome."""

    def retry(  # noqa: PLR0913 - the parts of one transaction
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,
        newest_only: bool,
        counted: RetryCount | None = None,
    ) -> Applied | ConditionFailed | Superseded | WriteConflict:
        """Apply `RETRY` to `job`, which has a subject, and extend the life of the subject's pointer.

        Both are one transaction, on condition that the row is unchanged since it was read. The pointer's version
        changes, so that concurrent admissions must read it again. With `newest_only` the job must also be the newest of
        its subject. With `counted` the transaction also writes the rate's pointer. Returns `WriteConflict` if another
        job was counted since that pointer was read.
        """

    def get(self, key: JobKey) -> JobRecord | None:
        """Return the job, read with strong consistency, or None."""

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """Return the newest job of a subject, or None."""

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """Apply one transition if its guards hold. `read` is the row that the caller has read.

        Guards compare the stored fencing token and version with those of `read`. Raises `ValueError` if a guard needs
        `read` and it is None.
        """

    def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
        """Apply the steps of up to 100 jobs in one request: all of them or none. Return the rows after them.

        Besides the guards of its transition, each row must have the version that was read. Returns None, and writes
        nothing, if one of the conditions does not hold, or if another write conflicts. It takes twice the write units
        of single transitions, and a small part of the CPU time.
        """

    def list_jobs(self, listing: Listing) -> Page:
        """Return one page of a tenant's jobs, newest first."""

    def due(self, now: datetime) -> Iterator[JobKey]:
        """Yield every job with `due_at` up to `now`. The longest overdue job comes first."""

    def held(self, keys: Sequence[JobKey], now: datetime) -> frozenset[JobKey]:
        """Return those of up to 100 jobs that a worker holds under a lease, read with strong consistency.

        It reads no more than that, which takes an eighth of the time of `read_many`.
        """

    def read_many(self, keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
        """Return those of up to 100 jobs that exist, read with strong consistency."""

    def claimable(self, priority: str, limit: int) -> Sequence[JobKey]:
        """Return the queued jobs with a tier in the queue of `priority`, of all tenants: best first, at most `limit`.

        The read is eventually consistent: new jobs may be missing, and some jobs may not be queued any more.
        """


def require_read(transition: Transition, read: JobRecord | None) -> None:
    """Raise `ValueError` if a guard of `transition` compares with the row that was read, and `read` is None."""
    if read is not None:
        return
    if frozenset[Guard]().union(*transition.sources.values()) & {Guard.TOKEN, Guard.UNCHANGED}:
        raise ValueError(f"the transition {transition.name} needs the row that was read")


class TooLarge(Exception):  # noqa: N818 - a result of the port; the caller turns it into a `Fail`
    """The artifact is larger than the caller allows. `size` is in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class NotFound(Exception):  # noqa: N818 - a result of the port
    """The artifact does not exist, or the function may not read it. S3 reports both in the same way."""


@dataclass(frozen=True)
class PresignedPost:
    """An upload form. POST the `fields` and then the file to `url`."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class WaitingSlot:
    """The right of one request to wait until `until`. `tenant_number` and `stack_number` are the numbers it holds."""

    tenant: str
    tenant_number: int
    stack_number: int
    until: datetime


class WaitingSlots(Protocol):
    """Limits how many requests wait at a time: of each tenant, and of the whole stack.

    A waiting request occupies an execution of the API function. A slot that is never freed expires.
    """

    def take(self, tenant: str, now: datetime, until: datetime) -> WaitingSlot | None:
        """Take a slot until `until`. None if too many requests wait."""

    def free(self, slot: WaitingSlot) -> None:
        """Give a slot back. Does nothing if it has expired."""


class ArtifactStore(Protocol):
    """The bucket of inputs, checkpoints and results."""

    def read(self, key: str, max_bytes: int, version: str | datetime | None = None) -> bytes:
        """Return the bytes of an artifact: of its newest version, or of the version that `current_version` returned.

        With a time as the version: of the newest version, if it was not written after that time.

        Raises `NotFound`, and `TooLarge` without reading more than `max_bytes`.
        """

    def current_version(self, key: str) -> str | None:
        """Return a text that identifies the artifact's present bytes, None if there is no artifact."""

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """Write an artifact. Replaces an earlier one with the same key."""

    def write_once(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an artifact if its key is unused. Return whether it was written."""

    def presign_post(self, key: str, content_type: str, size: int, expires: timedelta) -> PresignedPost:
        """Return a form for one upload with this key, this content type and exactly `size` bytes."""

    def presign_get(self, key: str, filename: str, content_type: str, expires: timedelta) -> str:
        """Return a URL that downloads an artifact with this file name and content type, without other credentials."""


@dataclass(frozen=True)
class JobMessage:
    """A message, with the arguments of `JobQueue.send`."""

    priority: str
    job: JobKey
    dedupe: str
    delay: timedelta = timedelta()
    tier_rank: int | None = None
    subject: str | None = None
    alone: bool = False


class JobQueue(Protocol):
    """The queues, one for each priority. A message only points to a job: the row holds its state."""

    def can_delay(self, priority: str, delay: timedelta) -> bool:
        """Return whether the queue can delay a message for `delay`."""

    def is_fifo(self, priority: str) -> bool:
        """Return whether an unacknowledged message blocks the later messages of its subject."""

    def send(  # noqa: PLR0913 - the fields of a message
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
        """Send a pointer to `job`, delayed by `delay` or by the longest delay of the queue.

        A job with a tier has a `tier_rank`. A FIFO queue drops a second message with the same `dedupe`, and delivers
        the messages of one `subject` in order. With `alone` the message asks for an invocation of its own.
        """

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        """Send the messages as `send` does, with one request for each 10 of a queue. Return those that were not taken.

        If a reply is lost, its messages count as not taken.
        """

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """Set the visibility timeout of a received message: it becomes visible `visibility` from now."""


@dataclass(frozen=True)
class ReceivedMessage:
    """A message that a worker received by itself. Other receivers do not see it for the queue's visibility timeout."""

    message_id: str
    body: str
    receipt_handle: str


class MessageSource(Protocol):
    """The queue of the invocation that receives further messages by itself, beside Lambda's poller."""

    def receive(self, queue_arn: str, most: int, wait: timedelta) -> Sequence[ReceivedMessage]:
        """Return at most `most` messages, and never more than 10.

        Without a message, return none after `wait`, which counts in whole seconds.
        """

    def delete(self, queue_arn: str, receipt_handle: str) -> None:
        """Acknowledge a message."""

    def put_back(self, queue_arn: str, body: str, tenant: str) -> None:
        """Send a message of a standard queue again. Unlike a visibility timeout of 0 it costs no receive."""

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """See `JobQueue.extend`."""

    def extend_all(self, queue_arn: str, receipt_handles: Sequence[str], visibility: timedelta) -> Mapping[str, str]:
        """Set the visibility timeout of several messages in one request for each 10.

        Return the error code of each receipt that failed.
        """
