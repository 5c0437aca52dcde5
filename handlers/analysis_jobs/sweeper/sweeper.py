"""The sweeper: whatever is overdue gets its next step. One bad row never stops the sweep."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.dispatch import send, send_grace
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobQueue, JobStore
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, ending
from analysis_jobs.jobs.timing import measure_processing
from analysis_jobs.jobs.transitions import ABANDON, CANCEL_LOST, EXPIRE, REQUEUE, RESEND, Status, Transition

_NOTHING_DONE = ("alive", "overtaken")
_BEFORE = "; the error before: "


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
                step = self._step(key)
                steps[step] += 1
                if step not in _NOTHING_DONE:
                    log("sweep.step", f"an overdue job: {step}", step=step, job_id=key.job_id, tenant=key.tenant)
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
        if steps["error"]:
            count("SweepErrors", steps["error"])
        return steps

    def _step(self, key: JobKey) -> str:
        job, now = self.store.get(key), self.clock.now()
        if job is None or job.due_at is None or job.due_at > now:
            return "overtaken"  # the index is a moment behind its table
        if job.status is Status.PROCESSING and job.lease_until and job.lease_until > now:
            return "alive"  # beats do not move what the index holds
        if job.cancel_asked_at is not None and job.status is Status.PROCESSING:
            return self._end(key, CANCEL_LOST, {})
        if job.attempt >= job.max_attempts:
            return self._end(key, ABANDON, {"failure": _last_error(job)})
        if job.deadline <= now:
            return self._end(key, EXPIRE, {"failure": _deadline_passed(job)})
        return self._dead_worker(key, job) if job.status is Status.PROCESSING else self._lost_message(key, job)

    def _dead_worker(self, key: JobKey, job: JobRecord) -> str:
        now, mark = self.clock.now(), uuid4().hex
        due_at = min(now + send_grace(1), job.deadline)
        changes = {"due_at": due_at, "lease_until": None, "failure": _last_error(job), "claimant": mark}
        changes["lane_sort_key"] = job.sort_key_in_lane
        outcome = self.store.transition(key, REQUEUE, Changes(changes), now=now)
        if outcome.job is None or not _landed(outcome, mark):
            return "overtaken"
        send(self.queue, outcome.job)
        return "requeue"

    def _lost_message(self, key: JobKey, job: JobRecord) -> str:
        # First the row, then the message: a crash between leaves a row that is due again, not a message too many.
        now, mark = self.clock.now(), uuid4().hex
        due_at = min(now + send_grace(job.sends + 1), job.deadline)
        changes = Changes({"due_at": due_at, "claimant": mark, "lane_sort_key": job.sort_key_in_lane})
        outcome = self.store.transition(key, RESEND, changes, now=now, read=job)
        if outcome.job is None or not _landed(outcome, mark):
            return "overtaken"
        send(self.queue, outcome.job)
        return "resend"

    def _end(self, key: JobKey, transition: Transition, why: Mapping[str, Any]) -> str:
        now = self.clock.now()
        ended = ending(now, self.settings.job_retention)
        outcome = self.store.transition(key, transition, Changes({**ended, **why}), now=now)
        if not isinstance(outcome, Applied):
            return "overtaken"
        measure_processing(outcome.job)
        if transition is CANCEL_LOST:
            count("JobsCancelled")
            return "cancel"
        count("JobsFailed")
        return "fail"


def _landed(outcome: Applied | ConditionFailed, mark: str) -> bool:
    """Tell whether a write with this mark landed: refused, and there all the same, where its reply was lost."""
    return isinstance(outcome, Applied) or (outcome.job is not None and outcome.job.claimant == mark)


def _last_error(job: JobRecord) -> JobFailure:
    """Return why a job has to begin again, or cannot: its last attempt gave no sign of life, or had an error."""
    if job.status is Status.QUEUED and job.failure:
        return job.failure
    message = f"attempt {job.attempt} of {job.max_attempts} was cut off (timeout, memory, or a crash)"
    if job.failure:
        # Of an attempt that was cut off too, what it knew of the one before: else the message would grow with each.
        before = job.failure.message
        before = before.partition(_BEFORE)[2] if job.failure.code == "worker_lost" else before
        message += f"{_BEFORE}{before}" if before else ""
    return JobFailure("worker_lost", message, retryable=True)


def _deadline_passed(job: JobRecord) -> JobFailure:
    known = f"; its last error: {job.failure.message}" if job.failure else ""
    return JobFailure("deadline_passed", f"the job was not done by its deadline{known}", retryable=True)
