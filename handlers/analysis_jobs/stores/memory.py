"""The stores in memory, for tests. They pass the same contract tests as the stores on AWS."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from threading import Lock

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import (
    AdmissionKey,
    AdmissionState,
    AdmissionWrite,
    RatePointer,
    RetryCount,
    SubjectPointer,
)
from analysis_jobs.jobs.erasing import Tombstone
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    JobMessage,
    NotFound,
    Page,
    PresignedPost,
    Step,
    StoredOutcome,
    Superseded,
    TooLarge,
    WriteConflict,
    require_read,
)
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord, Listing, written
from analysis_jobs.jobs.transitions import RETRY, Guard, Transition


@dataclass(frozen=True)
class _GuardInput:
    stored: JobRecord
    read: JobRecord | None
    now: datetime


_GUARDS: dict[Guard, Callable[[_GuardInput], bool]] = {
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
    Guard.SHARED: lambda c: c.stored.shared is not None,
    Guard.UNSHARED: lambda c: c.stored.shared is None,
    Guard.MAY_SHARE: lambda c: c.stored.alone is None,
}


class MemoryJobStore:
    """The job store as dictionaries. A lock makes each write atomic: a worker's heartbeat runs in another thread."""

    def __init__(self) -> None:
        self.jobs: dict[JobKey, JobRecord] = {}
        self.keys: dict[tuple[str, str], tuple[IdempotencyKey, StoredOutcome]] = {}
        self.subjects: dict[tuple[str, str, str], SubjectPointer] = {}
        self.rates: dict[tuple[str, str, str | None], RatePointer] = {}
        self.tombstones: dict[JobKey, Tombstone] = {}
        self.lock = Lock()

    def create(
        self,
        job: JobRecord,
        idempotency: IdempotencyKey | None,
        pointer_until: datetime | None = None,  # noqa: ARG002 - nothing expires here
    ) -> Created | StoredOutcome:
        """See `JobStore.create`."""
        with self.lock:
            if job.key in self.tombstones:
                return Created(job)  # an earlier try of this request succeeded, and the job was erased
            if idempotency:
                used = self._outcome_of(job.tenant, idempotency, job.created_at)
                if used and used.job_id != job.job_id:
                    return used
                self._store_key(job.tenant, idempotency, StoredOutcome(job.job_id, idempotency.body_digest))
            # A delayed duplicate of this request must not reset a job that is already running.
            if self.jobs.setdefault(job.key, job) is job and job.subject is not None:
                self.subjects[job.tenant, job.analysis, job.subject] = SubjectPointer(job.job_id)
        return Created(job)

    def stored_outcome(self, tenant: str, idempotency: IdempotencyKey, now: datetime) -> StoredOutcome | None:
        """See `JobStore.stored_outcome`."""
        with self.lock:
            return self._outcome_of(tenant, idempotency, now)

    def read_admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, StoredOutcome | None]:
        """See `JobStore.read_admission_state`."""
        with self.lock:
            pointer = self.subjects.get((admission_key.tenant, admission_key.analysis, admission_key.subject))
            latest = self.jobs.get(JobKey(admission_key.tenant, pointer.job_id)) if pointer else None
            rate = self.rates.get(_rate(admission_key))
            return AdmissionState(pointer, latest, rate), self._outcome_of(admission_key.tenant, idempotency, now)

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """See `JobStore.admit`."""
        admission_key, expected = admission_write.admission_key, admission_write.expected
        subject = (admission_key.tenant, admission_key.analysis, admission_key.subject)
        rate = _rate(admission_key)
        with self.lock:
            if job.key in self.jobs or job.key in self.tombstones:
                return Created(job)  # an earlier try of this request succeeded
            unchanged = self.subjects.get(subject) == expected.subject and self.rates.get(rate) == expected.rate
            if not unchanged or self._outcome_of(job.tenant, idempotency, job.created_at):
                return WriteConflict()
            self.jobs[job.key] = job
            self.subjects[subject] = admission_write.subject
            if admission_write.rate:
                self.rates[rate] = admission_write.rate
            if idempotency:
                self._store_key(job.tenant, idempotency, StoredOutcome(job.job_id, idempotency.body_digest))
        return Created(job)

    def record_outcome(
        self, tenant: str, idempotency: IdempotencyKey, outcome: StoredOutcome, now: datetime
    ) -> StoredOutcome | None:
        """See `JobStore.record_outcome`."""
        with self.lock:
            used = self._outcome_of(tenant, idempotency, now)
            if used is None:
                self._store_key(tenant, idempotency, outcome)
            return used

    def retry(  # noqa: PLR0913 - the parts of one transaction
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,  # noqa: ARG002 - nothing expires here
        newest_only: bool,
        counted: RetryCount | None = None,
    ) -> Applied | ConditionFailed | Superseded | WriteConflict:
        """See `JobStore.retry`."""
        subject = (job.tenant, job.analysis, str(job.subject))
        with self.lock:
            pointer = self.subjects.get(subject) or SubjectPointer(job.job_id)
            if newest_only and pointer.job_id != job.job_id:
                return Superseded(pointer.job_id)
            if counted and self.rates.get(_rate(counted.admission_key)) != counted.expected:
                current = self.jobs.get(job.key)
                return WriteConflict() if current == job else ConditionFailed(current)
            outcome = self._apply(job.key, RETRY, changes, now, job)
            if isinstance(outcome, Applied):
                self.subjects[subject] = replace(pointer, version=pointer.version + 1)
                if counted:
                    self.rates[_rate(counted.admission_key)] = counted.rate
            return outcome

    def _outcome_of(self, tenant: str, idempotency: IdempotencyKey | None, now: datetime) -> StoredOutcome | None:
        used = self.keys.get((tenant, idempotency.digest)) if idempotency else None
        return used[1] if used and used[0].expires_at > now else None

    def _store_key(self, tenant: str, idempotency: IdempotencyKey, outcome: StoredOutcome) -> None:
        self.keys[tenant, idempotency.digest] = (idempotency, outcome)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`."""
        return self.jobs.get(key)

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`."""
        pointer = self.subjects.get((tenant, analysis, subject))
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
        with self.lock:
            return self._apply(key, transition, changes, now, read)

    def _apply(
        self, key: JobKey, transition: Transition, changes: Changes, now: datetime, read: JobRecord | None
    ) -> Applied | ConditionFailed:
        stored = self.jobs.get(key)
        if stored is None:
            return ConditionFailed(None, erased=key in self.tombstones)
        if not _holds(stored, transition, now, read):
            return ConditionFailed(stored)
        self.jobs[key] = written(stored, transition, changes, now, read)
        return Applied(self.jobs[key])

    def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
        """See `JobStore.transition_all`."""
        with self.lock:
            stored = [(step, self.jobs.get(step.read.key)) for step in steps]
            if not all(row and _may_land(step, row) for step, row in stored):
                return None
            for step, row in stored:
                if row:
                    self.jobs[row.key] = written(row, step.transition, step.changes, step.now, step.read)
            return [step.after for step in steps]

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

    def held(self, keys: Sequence[JobKey], now: datetime) -> frozenset[JobKey]:
        """See `JobStore.held`."""
        return frozenset(key for key in keys if key in self.jobs and self.jobs[key].is_held(now))

    def read_many(self, keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
        """See `JobStore.read_many`."""
        return {key: self.jobs[key] for key in keys if key in self.jobs}

    def claimable(self, priority: str, limit: int) -> list[JobKey]:
        """See `JobStore.claimable`. This store is always consistent."""
        queued = [
            (job.lane_sort_key, key)
            for key, job in list(self.jobs.items())
            if job.lane_sort_key and job.priority == priority
        ]
        return [key for _, key in sorted(queued, key=lambda pair: pair[0])][:limit]


def _holds(stored: JobRecord, transition: Transition, now: datetime, read: JobRecord | None) -> bool:
    guards = transition.sources.get(stored.status)
    given = _GuardInput(stored, read, now)
    return guards is not None and all(_GUARDS[guard](given) for guard in guards)


def _may_land(step: Step, stored: JobRecord) -> bool:
    """Return whether a step may land together with others."""
    return stored.version == step.read.version and _holds(stored, step.transition, step.now, step.read)


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


def _rate(admission_key: AdmissionKey) -> tuple[str, str, str | None]:
    return (admission_key.tenant, admission_key.analysis, admission_key.rate)


class MemoryArtifactStore:
    """The artifact store as a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._versions: dict[tuple[str, str], bytes] = {}  # by key and version: those that somebody asked for
        self._missed: set[str] = set()  # keys of which somebody asked for the version too early

    def read(self, key: str, max_bytes: int, version: str | datetime | None = None) -> bytes:
        """See `ArtifactStore.read`. There are no times here: after `current_version` found nothing, a write is late."""
        match version:
            case str():
                found = self._versions.get((key, version))
            case datetime():
                found = None if key in self._missed else self.objects.get(key)
            case _:
                found = self.objects.get(key)
        if found is None:
            raise NotFound(key)
        if len(found) > max_bytes:
            raise TooLarge(len(found))
        return found

    def current_version(self, key: str) -> str | None:
        """See `ArtifactStore.current_version`."""
        if key not in self.objects:
            self._missed.add(key)
            return None
        version = hashlib.sha256(self.objects[key]).hexdigest()
        self._versions[key, version] = self.objects[key]
        return version

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
    """The queues as lists of the sent messages and of the extended ones."""

    longest_delay: timedelta = timedelta(minutes=15)
    fifo: bool = False
    sent: list[tuple[str, JobKey, timedelta]] = field(default_factory=list)
    dedupes: list[str] = field(default_factory=list)
    ranks: list[int | None] = field(default_factory=list)
    subjects: list[str | None] = field(default_factory=list)
    extended: list[tuple[str, timedelta]] = field(default_factory=list)
    alone: list[bool] = field(default_factory=list)

    def can_delay(self, priority: str, delay: timedelta) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.can_delay`."""
        return delay <= self.longest_delay

    def is_fifo(self, priority: str) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.is_fifo`."""
        return self.fifo

    def send(  # noqa: PLR0913 - the port's signature
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
        self.alone.append(alone)
        self.subjects.append(subject)
        self.sent.append((priority, job, delay))
        self.dedupes.append(dedupe)
        self.ranks.append(tier_rank)

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        """See `JobQueue.send_all`. A message that `send` does not take is refused."""
        return [message for message in messages if not self._takes(message)]

    def _takes(self, message: JobMessage) -> bool:
        try:
            self.send(**vars(message))
        except Exception:  # noqa: BLE001 - a test lets `send` fail
            return False
        return True

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""
        self.extended.append((receipt_handle, visibility))
