"""The stores in memory: for tests of an analysis and of the logic. They pass the contract tests of the real ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from analysis_jobs.record import Changes, HistoryEntry, IdempotencyKey, JobKey, JobRecord, Listing
from analysis_jobs.stores.ports import (
    Created,
    Existing,
    Landed,
    NotFound,
    Page,
    PresignedPost,
    Refused,
    TooLarge,
)
from analysis_jobs.transitions import Guard, Transition


@dataclass(frozen=True)
class _Check:
    stored: JobRecord
    read: JobRecord | None
    now: datetime


_GUARDS: dict[Guard, Callable[[_Check], bool]] = {
    Guard.TOKEN: lambda c: c.read is not None and c.stored.fence == c.read.fence,
    Guard.LEASE_EXPIRED: lambda c: c.stored.lease_until is not None and c.stored.lease_until <= c.now,
    Guard.ATTEMPTS_LEFT: lambda c: c.stored.attempt < c.stored.max_attempts,
    Guard.ATTEMPTS_SPENT: lambda c: c.stored.attempt >= c.stored.max_attempts,
    Guard.PAST_DEADLINE: lambda c: c.stored.deadline <= c.now,
    Guard.UNCHANGED: lambda c: c.read is not None and c.stored.version == c.read.version,
}


class MemoryJobStore:
    """The table of jobs as two dictionaries."""

    def __init__(self) -> None:
        self.jobs: dict[JobKey, JobRecord] = {}
        self._keys: dict[tuple[str, str], tuple[IdempotencyKey, str]] = {}

    def create(self, job: JobRecord, idempotency: IdempotencyKey | None) -> Created | Existing:
        """See `JobStore.create`."""
        if idempotency:
            used = self._keys.get((job.tenant, idempotency.digest))
            if used and used[0].expires_at > job.created_at:
                return Existing(used[1], used[0].body_digest)
            self._keys[job.tenant, idempotency.digest] = (idempotency, job.job_id)
        self.jobs[JobKey(job.tenant, job.job_id)] = job
        return Created(job)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`."""
        return self.jobs.get(key)

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`."""
        jobs = self.list_jobs(Listing(tenant, subject=subject, limit=len(self.jobs) or 1)).jobs
        return next((job for job in jobs if job.analysis == analysis), None)

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
        stored = self.jobs.get(key)
        if stored is None:
            return Refused(None)
        guards = transition.sources.get(stored.status)
        if guards is None or not all(_GUARDS[guard](_Check(stored, read, now)) for guard in guards):
            return Refused(stored)
        counters = {name: getattr(stored, name) + step for name, step in transition.counters.items()}
        written = replace(
            stored,
            status=transition.target,
            version=stored.version + 1,
            **counters,
            **dict(changes.values),
        )
        if transition.recorded:
            entry = HistoryEntry(now, transition.name, written.status)
            written = replace(written, history=(*written.history, entry))
        self.jobs[key] = written
        return Landed(written)

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
        waiting = [(job.due_at, key) for key, job in self.jobs.items() if job.due_at and job.due_at <= now]
        yield from (key for _, key in sorted(waiting, key=lambda pair: pair[0]))


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

    def presign_post(self, key: str, content_type: str, size: int, expires: timedelta) -> PresignedPost:  # noqa: ARG002
        """See `ArtifactStore.presign_post`."""
        return PresignedPost("memory://upload", {"key": key, "Content-Type": content_type})


@dataclass
class MemoryQueue:
    """The lanes as a list of what was sent, and of what was extended."""

    sent: list[tuple[str, JobKey, timedelta]] = field(default_factory=list)
    extended: list[tuple[str, timedelta]] = field(default_factory=list)

    def send(self, lane: str, job: JobKey, *, dedupe: str, delay: timedelta = timedelta()) -> None:  # noqa: ARG002
        """See `JobQueue.send`."""
        self.sent.append((lane, job, delay))

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""
        self.extended.append((receipt_handle, visibility))
