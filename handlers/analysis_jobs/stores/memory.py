"""The stores in memory: for tests of an analysis and of the logic. They pass the contract tests of the real ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, RatePointer, SubjectPointer
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    Existing,
    NotFound,
    Page,
    PresignedPost,
    Superseded,
    TooLarge,
    WriteConflict,
    require_read,
)
from analysis_jobs.jobs.record import Changes, HistoryEntry, IdempotencyKey, JobKey, JobRecord, Listing, trimmed_history
from analysis_jobs.jobs.transitions import RETRY, Guard, Transition


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
    """The table of jobs as four dictionaries; a lock makes each write one step, as a worker's heartbeat needs it."""

    def __init__(self) -> None:
        self.jobs: dict[JobKey, JobRecord] = {}
        self._keys: dict[tuple[str, str], tuple[IdempotencyKey, Existing]] = {}
        self._subjects: dict[tuple[str, str, str], SubjectPointer] = {}
        self._rates: dict[tuple[str, str, str | None], RatePointer] = {}
        self._lock = Lock()

    def create(
        self,
        job: JobRecord,
        idempotency: IdempotencyKey | None,
        pointer_until: datetime | None = None,  # noqa: ARG002 - nothing expires here
    ) -> Created | Existing:
        """See `JobStore.create`."""
        with self._lock:
            if idempotency:
                used = self._used(job.tenant, idempotency, job.created_at)
                if used and used.job_id != job.job_id:
                    return used
                self._keep(job.tenant, idempotency, Existing(job.job_id, idempotency.body_digest))
            # A copy of this request that arrives late must not put a job that is at work back to its beginning.
            if self.jobs.setdefault(job.key, job) is job and job.subject is not None:
                self._subjects[job.tenant, job.analysis, job.subject] = SubjectPointer(job.job_id)
        return Created(job)

    def admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, Existing | None]:
        """See `JobStore.standing`."""
        with self._lock:
            pointer = self._subjects.get((admission_key.tenant, admission_key.analysis, admission_key.subject))
            latest = self.jobs.get(JobKey(admission_key.tenant, pointer.job_id)) if pointer else None
            rate = self._rates.get((admission_key.tenant, admission_key.analysis, admission_key.rate))
            return AdmissionState(pointer, latest, rate), self._used(admission_key.tenant, idempotency, now)

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """See `JobStore.admit`."""
        admission_key, seen = admission_write.admission_key, admission_write.seen
        subject, rate = (
            (admission_key.tenant, admission_key.analysis, admission_key.subject),
            (admission_key.tenant, admission_key.analysis, admission_key.rate),
        )
        with self._lock:
            if job.key in self.jobs:
                return Created(job)  # our own, of an earlier try
            as_seen = self._subjects.get(subject) == seen.subject and self._rates.get(rate) == seen.rate
            if not as_seen or self._used(job.tenant, idempotency, job.created_at):
                return WriteConflict()
            self.jobs[job.key] = job
            self._subjects[subject] = admission_write.subject
            if admission_write.rate:
                self._rates[rate] = admission_write.rate
            if idempotency:
                self._keep(job.tenant, idempotency, Existing(job.job_id, idempotency.body_digest))
        return Created(job)

    def remember(self, tenant: str, idempotency: IdempotencyKey, answered: Existing, now: datetime) -> Existing | None:
        """See `JobStore.remember`."""
        with self._lock:
            used = self._used(tenant, idempotency, now)
            if used is None:
                self._keep(tenant, idempotency, answered)
            return used

    def retry(
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,  # noqa: ARG002 - nothing expires here
        newest_only: bool,
    ) -> Applied | ConditionFailed | Superseded:
        """See `JobStore.retry`."""
        subject = (job.tenant, job.analysis, str(job.subject))
        with self._lock:
            pointer = self._subjects.get(subject) or SubjectPointer(job.job_id)
            if newest_only and pointer.job_id != job.job_id:
                return Superseded(pointer.job_id)
            outcome = self._take(job.key, RETRY, changes, now, job)
            if isinstance(outcome, Applied):
                self._subjects[subject] = replace(pointer, version=pointer.version + 1)
            return outcome

    def _used(self, tenant: str, idempotency: IdempotencyKey | None, now: datetime) -> Existing | None:
        used = self._keys.get((tenant, idempotency.digest)) if idempotency else None
        return used[1] if used and used[0].expires_at > now else None

    def _keep(self, tenant: str, idempotency: IdempotencyKey, answered: Existing) -> None:
        self._keys[tenant, idempotency.digest] = (idempotency, answered)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`."""
        return self.jobs.get(key)

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`."""
        pointer = self._subjects.get((tenant, analysis, subject))
        return self.get(JobKey(tenant, pointer.job_id)) if pointer else None

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """See `JobStore.transition`."""
        require_read(transition, read)
        with self._lock:
            return self._take(key, transition, changes, now, read)

    def _take(
        self, key: JobKey, transition: Transition, changes: Changes, now: datetime, read: JobRecord | None
    ) -> Applied | ConditionFailed:
        stored = self.jobs.get(key)
        if stored is None:
            return ConditionFailed(None)
        guards = transition.sources.get(stored.status)
        if guards is None or not all(_GUARDS[guard](_Check(stored, read, now)) for guard in guards):
            return ConditionFailed(stored)
        self.jobs[key] = _written(stored, transition, changes, now, read)
        return Applied(self.jobs[key])

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
        overdue = [(job.due_at, key) for key, job in list(self.jobs.items()) if job.due_at and job.due_at <= now]
        yield from (key for _, key in sorted(overdue, key=lambda pair: pair[0]))

    def claimable(self, priority: str, limit: int) -> list[JobKey]:
        """See `JobStore.claimable`. Nothing is missing here."""
        places = [
            (job.lane_sort_key, key)
            for key, job in list(self.jobs.items())
            if job.lane_sort_key and job.priority == priority
        ]
        return [key for _, key in sorted(places, key=lambda pair: pair[0])][:limit]


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

    def presign_get(self, key: str, filename: str, content_type: str, expires: timedelta) -> str:
        """See `ArtifactStore.presign_get`."""
        seconds = int(expires.total_seconds())
        return f"memory://download/{key}?filename={filename}&type={content_type}&seconds={seconds}"


@dataclass
class MemoryQueue:
    """The lanes as a list of what was sent, and of what was extended."""

    longest_delay: timedelta = timedelta(minutes=15)
    fifo: bool = False
    sent: list[tuple[str, JobKey, timedelta]] = field(default_factory=list)
    dedupes: list[str] = field(default_factory=list)
    ranks: list[int | None] = field(default_factory=list)
    subjects: list[str | None] = field(default_factory=list)
    extended: list[tuple[str, timedelta]] = field(default_factory=list)

    def can_delay(self, priority: str, delay: timedelta) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.holds_back`."""
        return delay <= self.longest_delay

    def is_fifo(self, priority: str) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.in_order`."""
        return self.fifo

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
        """See `JobQueue.send`."""
        self.subjects.append(subject)
        self.sent.append((priority, job, delay))
        self.dedupes.append(dedupe)
        self.ranks.append(tier_rank)

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""
        self.extended.append((receipt_handle, visibility))
