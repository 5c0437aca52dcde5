"""The stores in memory: for tests of an analysis and of the logic. They pass the contract tests of the real ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from analysis_jobs.record import Changes, HistoryEntry, IdempotencyKey, JobKey, JobRecord, Listing, trimmed_history
from analysis_jobs.stores.ports import (
    Created,
    Existing,
    Landed,
    NotFound,
    Page,
    PresignedPost,
    Refused,
    TooLarge,
    require_read,
)
from analysis_jobs.transitions import Guard, Transition


@dataclass(frozen=True)
class _Check:
    stored: JobRecord
    read: JobRecord | None
    now: datetime


_GUARDS: dict[Guard, Callable[[_Check], bool]] = {
    Guard.TOKEN: lambda c: c.read is not None and c.stored.fence == c.read.fence,
    Guard.LEASE_EXPIRED: lambda c: c.stored.lease_until is None or c.stored.lease_until <= c.now,
    Guard.ATTEMPTS_LEFT: lambda c: c.stored.attempt < c.stored.max_attempts,
    Guard.ATTEMPTS_SPENT: lambda c: c.stored.attempt >= c.stored.max_attempts,
    Guard.WAITED: lambda c: c.stored.not_before is None or c.stored.not_before <= c.now,
    Guard.IN_TIME: lambda c: c.stored.deadline > c.now,
    Guard.PAST_DEADLINE: lambda c: c.stored.deadline <= c.now,
    Guard.UNCHANGED: lambda c: c.read is not None and c.stored.version == c.read.version,
    Guard.CANCEL_ASKED: lambda c: c.stored.cancel_asked_at is not None,
    Guard.NOT_CANCELLED: lambda c: c.stored.cancel_asked_at is None,
}


class MemoryJobStore:
    """The table of jobs as three dictionaries; a lock makes each write one step, as a worker's heartbeat needs it."""

    def __init__(self) -> None:
        self.jobs: dict[JobKey, JobRecord] = {}
        self._keys: dict[tuple[str, str], tuple[IdempotencyKey, str]] = {}
        self._subjects: dict[tuple[str, str, str], str] = {}
        self._lock = Lock()

    def create(self, job: JobRecord, idempotency: IdempotencyKey | None) -> Created | Existing:
        """See `JobStore.create`."""
        with self._lock:
            if idempotency:
                used = self._keys.get((job.tenant, idempotency.digest))
                if used and used[1] != job.job_id and used[0].expires_at > job.created_at:
                    return Existing(used[1], used[0].body_digest)
                self._keys[job.tenant, idempotency.digest] = (idempotency, job.job_id)
            # A copy of this request that arrives late must not put a job that is at work back to its beginning.
            if self.jobs.setdefault(JobKey(job.tenant, job.job_id), job) is job and job.subject is not None:
                self._subjects[job.tenant, job.analysis, job.subject] = job.job_id
        return Created(job)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`."""
        return self.jobs.get(key)

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`."""
        job_id = self._subjects.get((tenant, analysis, subject))
        return self.get(JobKey(tenant, job_id)) if job_id else None

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Landed | Refused:
        """See `JobStore.transition`."""
        require_read(transition, read)
        with self._lock:
            stored = self.jobs.get(key)
            if stored is None:
                return Refused(None)
            guards = transition.sources.get(stored.status)
            if guards is None or not all(_GUARDS[guard](_Check(stored, read, now)) for guard in guards):
                return Refused(stored)
            self.jobs[key] = _written(stored, transition, changes, now, read)
            return Landed(self.jobs[key])

    def list_jobs(self, listing: Listing) -> Page:
        """See `JobStore.list_jobs`."""
        matching = sorted(
            (job for job in self.jobs.values() if _matches(job, listing)),
            key=lambda job: job.job_id,
            reverse=True,
        )
        jobs = matching[: listing.limit]
        return Page(jobs, jobs[-1].job_id if len(matching) > len(jobs) else None)

    def due(self, now: datetime) -> Iterator[JobKey]:
        """See `JobStore.due`."""
        waiting = [(job.due_at, key) for key, job in list(self.jobs.items()) if job.due_at and job.due_at <= now]
        yield from (key for _, key in sorted(waiting, key=lambda pair: pair[0]))


def _written(
    stored: JobRecord, transition: Transition, changes: Changes, now: datetime, read: JobRecord | None
) -> JobRecord:
    history = stored.history
    if transition.recorded:
        entry = HistoryEntry(now, transition.name, transition.target)
        history = trimmed_history(transition, entry, read) or (*history, entry)
    counters = {name: getattr(stored, name) + step for name, step in {"version": 1, **transition.counters}.items()}
    return replace(stored, status=transition.target, history=history, **counters, **dict(changes.values))


def _matches(job: JobRecord, listing: Listing) -> bool:
    return (
        job.tenant == listing.tenant
        and listing.status in (None, job.status)
        and listing.client in (None, job.client)
        and listing.subject in (None, job.subject)
        and (listing.first_id is None or job.job_id >= listing.first_id)
        and (listing.last_id is None or job.job_id <= listing.last_id)
        and (listing.before_id is None or job.job_id < listing.before_id)
    )


class MemoryArtifactStore:
    """The bucket as a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, key: str, max_bytes: int) -> bytes:
        """See `ArtifactStore.read`."""
        if key not in self.objects:
            raise NotFound(key)
        if len(self.objects[key]) > max_bytes:
            raise TooLarge(len(self.objects[key]))
        return self.objects[key]

    def write(self, key: str, body: bytes, content_type: str) -> None:  # noqa: ARG002 - the port's signature
        """See `ArtifactStore.write`."""
        self.objects[key] = body

    def write_once(self, key: str, body: bytes, content_type: str) -> bool:  # noqa: ARG002 - the port's signature
        """See `ArtifactStore.write_once`."""
        return self.objects.setdefault(key, body) is body

    def presign_post(self, key: str, content_type: str, size: int, expires: timedelta) -> PresignedPost:  # noqa: ARG002
        """See `ArtifactStore.presign_post`."""
        return PresignedPost("memory://upload", {"key": key, "Content-Type": content_type})


@dataclass
class MemoryQueue:
    """The lanes as a list of what was sent, and of what was extended."""

    longest_delay: timedelta = timedelta(minutes=15)
    sent: list[tuple[str, JobKey, timedelta]] = field(default_factory=list)
    dedupes: list[str] = field(default_factory=list)
    extended: list[tuple[str, timedelta]] = field(default_factory=list)

    def holds_back(self, lane: str, delay: timedelta) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.holds_back`."""
        return delay <= self.longest_delay

    def send(self, lane: str, job: JobKey, *, dedupe: str, delay: timedelta = timedelta()) -> None:
        """See `JobQueue.send`."""
        self.sent.append((lane, job, delay))
        self.dedupes.append(dedupe)

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""
        self.extended.append((receipt_handle, visibility))
