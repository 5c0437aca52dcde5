"""What the logic needs of the outside. The stores in memory and on AWS run through the same contract tests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, Outcome
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord, Listing
from analysis_jobs.jobs.transitions import Guard, Transition


@dataclass(frozen=True)
class Created:
    """The job was written."""

    job: JobRecord


@dataclass(frozen=True)
class Existing:
    """The idempotency key was used before, for this job and a body of this digest; nothing was written.

    `outcome` is what it was answered, with the `reason` of that, as JSON; `job_id` is None where there was no job.
    """

    job_id: str | None
    body_digest: str
    outcome: Outcome = Outcome.CREATED
    reason: str = "{}"


@dataclass(frozen=True)
class WriteConflict:
    """Another submission has passed meanwhile, or is just passing; nothing was written: decide anew."""


@dataclass(frozen=True)
class Superseded:
    """The subject has a newer job; nothing was written."""

    newest_job_id: str


@dataclass(frozen=True)
class Applied:
    """The conditional write took effect; `job` is the row after it."""

    job: JobRecord


@dataclass(frozen=True)
class ConditionFailed:
    """The condition did not hold and nothing was written; `job` is the row as it is, None where there is none."""

    job: JobRecord | None


@dataclass(frozen=True)
class RowChange:
    """A job's row after a write, and `before` it; None if the write created the row."""

    job: JobRecord
    before: JobRecord | None


@dataclass(frozen=True)
class Page:
    """Jobs, newest first; `next_before_id` continues, None at the end."""

    jobs: Sequence[JobRecord]
    next_before_id: str | None


class JobStore(Protocol):
    """The table of jobs."""

    def create(
        self, job: JobRecord, idempotency: IdempotencyKey | None, pointer_until: datetime | None = None
    ) -> Created | Existing:
        """Write a new job, its subject's pointer and its idempotency key: all of them, or none.

        The pointer may expire after `pointer_until` (None: never).
        """

    def admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, Existing | None]:
        """Return what a policy decides on, each part as of its last acknowledged write; and what used the key."""

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """Write a new job, its key and its pointers, if the pointers are still what was seen: all, or none."""

    def remember(
        self,
        tenant: str,
        idempotency: IdempotencyKey,
        answered: Existing,
        now: datetime,
    ) -> Existing | None:
        """Keep what a submission that made no job was answered; or return what the key was used for before."""

    def retry(
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,
        newest_only: bool,
    ) -> Applied | ConditionFailed | Superseded:
        """Take the edge `RETRY` of a job with a subject, as `job` was read, and prolong the subject's pointer.

        With `newest_only` the job must be the subject's newest, and whoever has seen the pointer has to look again.
        """

    def get(self, key: JobKey) -> JobRecord | None:
        """Return the job as of the last write that was acknowledged, or None."""

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """Return the job that was accepted last for a subject, or None."""

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """Take one edge if its guards hold; `read` gives the token and version that the guards compare with.

        Raises `ValueError` where they compare with a row that was not given.
        """

    def list_jobs(self, listing: Listing) -> Page:
        """Return one page of a tenant's jobs, newest first."""

    def due(self, now: datetime) -> Iterator[JobKey]:
        """Yield every job whose next step was due by `now`, longest overdue first within a shard."""

    def claimable(self, priority: str, limit: int) -> Sequence[JobKey]:
        """Return which jobs of a tier wait in a lane, of all tenants: the best first, at most `limit`.

        What was written a moment ago may be missing, or may be there though it waits no longer.
        """


def require_read(transition: Transition, read: JobRecord | None) -> None:
    """Raise `ValueError` where a guard of `transition` compares with the row that was read, and there is none."""
    guards = frozenset[Guard]().union(*transition.sources.values())
    if read is None and guards & {Guard.TOKEN, Guard.UNCHANGED}:
        raise ValueError(f"the transition {transition.name} needs the row that was read")


class TooLarge(Exception):  # noqa: N818 - an answer of the port, turned into a `Fail` by the logic
    """The artifact has more bytes than the caller allows."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class NotFound(Exception):  # noqa: N818 - as above
    """There is no such artifact, or this function may not read it (S3 does not tell the two apart)."""


@dataclass(frozen=True)
class PresignedPost:
    """An upload form: POST `fields`, then the file, to `url`."""

    url: str
    fields: dict[str, str]


class ArtifactStore(Protocol):
    """The bucket of inputs, checkpoints and results."""

    def read(self, key: str, max_bytes: int) -> bytes:
        """Return an artifact's bytes. Raises `NotFound`, or `TooLarge` before reading more than `max_bytes`."""

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """Write an artifact."""

    def write_once(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an artifact where there is none of this key; return whether it was written. The first write stays."""

    def presign_post(self, key: str, content_type: str, size: int, expires: timedelta) -> PresignedPost:
        """Return a form that admits one upload: this key, this content type, exactly `size` bytes."""

    def presign_get(self, key: str, filename: str, content_type: str, expires: timedelta) -> str:
        """Return a URL that gives an artifact to whoever has it, as a download of this name and type."""


class JobQueue(Protocol):
    """The lanes' queues. A message names a job and holds nothing else: the row is the truth."""

    def can_delay(self, priority: str, delay: timedelta) -> bool:
        """Tell whether the lane can hold a message back for `delay`."""

    def is_fifo(self, priority: str) -> bool:
        """Tell whether a message that is received and not acknowledged keeps the later ones of its subject waiting."""

    def send(  # noqa: PLR0913 - what a job's row says of its message, and when
        self,
        priority: str,
        job: JobKey,
        *,
        dedupe: str,
        delay: timedelta = timedelta(),
        tier_rank: int | None = None,
        subject: str | None = None,
    ) -> None:
        """Send a pointer to `job`, held back for `delay` or as long as the lane can; `tier_rank` is that of its tier.

        `dedupe` keeps a FIFO queue from dropping a second sending as a copy; `subject` is whose jobs it keeps in order.
        """

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """Make a received message visible again after `visibility` from now."""
