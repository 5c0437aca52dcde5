"""The sweeper: whatever is overdue gets its next step. One bad row never stops the sweep."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from analysis_jobs.clock import Clock
from analysis_jobs.observability import count, log
from analysis_jobs.record import Changes, JobFailure, JobKey, JobRecord
from analysis_jobs.settings import Settings
from analysis_jobs.stores.ports import JobQueue, JobStore, Landed
from analysis_jobs.transitions import ABANDON, EXPIRE, REQUEUE, RESEND, Status

# How long a message may be on its way before it counts as lost, the first time; it doubles with every sending, so that
# a backlog of hours does not fill with copies.
SEND_GRACE = timedelta(minutes=2)
_GRACE_DOUBLINGS = 6


def send_grace(sends: int) -> timedelta:
    """Return how long after its `sends`-th sending a message counts as lost."""
    doublings: int = min(max(sends - 1, 0), _GRACE_DOUBLINGS)
    return SEND_GRACE * (1 << doublings)


@dataclass(frozen=True)
class Sweeper:
    """Takes every overdue job one step on. Safe to run twice at once: each step is one conditional write."""

    store: JobStore
    queue: JobQueue
    settings: Settings
    clock: Clock

    def sweep(self) -> Counter[str]:
        """Look at everything overdue; return how many jobs got which step."""
        steps: Counter[str] = Counter()
        for key in self.store.due(self.clock.now()):
            try:
                steps[self._step(key)] += 1
            except Exception as error:  # noqa: BLE001 - the next row may be fine
                steps["error"] += 1
                log(
                    "sweep.error",
                    "a row could not be swept",
                    error=error,
                    job_id=key.job_id,
                    tenant=key.tenant,
                )
        log("sweep.done", "swept", steps=dict(steps))
        count("Sweeps")
        count("JobsRequeued", steps["requeue"] + steps["resend"])
        return steps

    def _step(self, key: JobKey) -> str:
        job = self.store.get(key)
        if job is None or job.due_at is None:
            return "gone"
        if job.status is Status.PROCESSING:
            return self._dead_worker(key, job)
        if job.deadline <= self.clock.now():
            return self._fail(key, job)
        return self._lost_message(key, job)

    def _dead_worker(self, key: JobKey, job: JobRecord) -> str:
        now = self.clock.now()
        if job.lease_until and job.lease_until > now:
            return "alive"
        if job.attempt >= job.max_attempts:
            return self._fail(key, job)
        changes = Changes({"due_at": now + SEND_GRACE, "lease_until": None, "failure": _worker_lost(job)})
        if not isinstance(self.store.transition(key, REQUEUE, changes, now=now), Landed):
            return "overtaken"
        self.queue.send(job.lane, key, dedupe=f"{job.job_id}-{job.fence}-requeue")
        return "requeue"

    def _lost_message(self, key: JobKey, job: JobRecord) -> str:
        # First the row, then the message: a crash between leaves a row that is due again, not a message too many.
        now = self.clock.now()
        changes = Changes({"due_at": now + send_grace(job.sends + 1)})
        if not isinstance(self.store.transition(key, RESEND, changes, now=now, read=job), Landed):
            return "overtaken"
        self.queue.send(job.lane, key, dedupe=f"{job.job_id}-{job.fence}-{job.sends}")
        return "resend"

    def _fail(self, key: JobKey, job: JobRecord) -> str:
        now = self.clock.now()
        if job.status is Status.PROCESSING:
            transition, failure = ABANDON, _worker_lost(job)
        else:
            transition, failure = (
                EXPIRE,
                job.failure or JobFailure("deadline_passed", "nobody took the job up", retryable=False),
            )
        ended = {
            "finished_at": now,
            "expires_at": now + self.settings.job_retention,
            "due_at": None,
            "lease_until": None,
        }
        outcome = self.store.transition(key, transition, Changes({**ended, "failure": failure}), now=now)
        if not isinstance(outcome, Landed):
            return "overtaken"
        count("JobsFailed")
        return "fail"


def _worker_lost(job: JobRecord) -> JobFailure:
    """Return the error of an attempt that gave no sign of life: the last one that was known, and that it ended so."""
    known = f"; the attempt before: {job.failure.message}" if job.failure else ""
    message = f"attempt {job.attempt} of {job.max_attempts} was cut off (timeout, memory, or a crash){known}"
    return JobFailure("worker_lost", message, retryable=True)
