"""Moves every overdue job to its next state. An error in one row does not stop the sweep."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.canaries import uncounted
from analysis_jobs.jobs.dispatch import send, send_grace
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobQueue, JobStore
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, ending
from analysis_jobs.jobs.timing import record_processing_time
from analysis_jobs.jobs.transitions import ABANDON, CANCEL_LOST, EXPIRE, REQUEUE, RESEND, Status, Transition

_NO_STEP = ("alive", "overtaken")
_PREVIOUS_ERROR = "; the previous error: "


@dataclass(frozen=True)
class Sweeper:
    """Takes one step with every overdue job. Sweepers may run concurrently: each step is one conditional write."""

    store: JobStore
    queue: JobQueue
    settings: Settings
    clock: Clock

    def sweep(self) -> Counter[str]:
        """Take a step with every overdue job. Return the number of jobs for each step.

        The steps are `requeue`, `resend`, `cancel` and `fail`. `alive` and `overtaken` are jobs that need no step,
        `error` are rows that raised.
        """
        steps: Counter[str] = Counter()
        for key in self.store.due(self.clock.now()):
            try:
                with uncounted(key.tenant):
                    step = self._sweep_job(key)
                steps[step] += 1
                if step not in _NO_STEP:
                    log(
                        "sweep.step",
                        f"took the step {step} for an overdue job",
                        step=step,
                        job_id=key.job_id,
                        tenant=key.tenant,
                    )
            except Exception as error:  # noqa: BLE001 - continue with the next row
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

    def _sweep_job(self, key: JobKey) -> str:
        job, now = self.store.get(key), self.clock.now()
        if job is None or job.due_at is None or job.due_at > now:
            return "overtaken"  # the index is eventually consistent
        if job.status is Status.PROCESSING and job.lease_until and job.lease_until > now:
            return "alive"  # a heartbeat does not update the index
        if job.cancel_asked_at is not None and job.status is Status.PROCESSING:
            return self._end(key, CANCEL_LOST, {})
        if job.attempt >= job.max_attempts:
            return self._end(key, ABANDON, {"failure": _last_error(job)})
        if job.deadline <= now:
            return self._end(key, EXPIRE, {"failure": _deadline_passed(job)})
        return self._requeue(key, job) if job.status is Status.PROCESSING else self._resend(key, job)

    def _requeue(self, key: JobKey, job: JobRecord) -> str:
        """Queue a job again after its worker died."""
        now, mark = self.clock.now(), uuid4().hex
        due_at = min(now + send_grace(1), job.deadline)
        changes = {"due_at": due_at, "lease_until": None, "failure": _last_error(job), "claimant": mark}
        changes["lane_sort_key"] = job.sort_key_in_lane
        outcome = self.store.transition(key, REQUEUE, Changes(changes), now=now)
        if outcome.job is None or not _took_effect(outcome, mark):
            return "overtaken"
        send(self.queue, outcome.job)
        return "requeue"

    def _resend(self, key: JobKey, job: JobRecord) -> str:
        """Send the message of a queued job again, because the earlier one may be lost."""
        # Write the row before the message. After a crash in between the row is due again, and no message is duplicated.
        now, mark = self.clock.now(), uuid4().hex
        due_at = min(now + send_grace(job.sends + 1), job.deadline)
        changes = Changes({"due_at": due_at, "claimant": mark, "lane_sort_key": job.sort_key_in_lane})
        outcome = self.store.transition(key, RESEND, changes, now=now, read=job)
        if outcome.job is None or not _took_effect(outcome, mark):
            return "overtaken"
        send(self.queue, outcome.job)
        return "resend"

    def _end(self, key: JobKey, transition: Transition, why: Mapping[str, Any]) -> str:
        now = self.clock.now()
        ended = ending(now, self.settings.retention_of(key.tenant))
        outcome = self.store.transition(key, transition, Changes({**ended, **why}), now=now)
        if not isinstance(outcome, Applied):
            return "overtaken"
        record_processing_time(outcome.job)
        if transition is CANCEL_LOST:
            count("JobsCancelled")
            return "cancel"
        count("JobsFailed")
        return "fail"


def _took_effect(outcome: Applied | ConditionFailed, mark: str) -> bool:
    """Return whether a write with this mark took effect.

    If a reply was lost, the client sends the write again. The second one fails its condition, but the row has the mark.
    """
    return isinstance(outcome, Applied) or (outcome.job is not None and outcome.job.claimant == mark)


def _last_error(job: JobRecord) -> JobFailure:
    """Return the error of the last attempt: its own error, or that its worker stopped without a report."""
    if job.status is Status.QUEUED and job.failure:
        return job.failure
    message = f"attempt {job.attempt} of {job.max_attempts} was cut off (timeout, memory, or a crash)"
    if job.failure:
        # If the previous attempt was cut off too, quote only the error in its text. Else the text would keep growing.
        previous = job.failure.message
        previous = previous.partition(_PREVIOUS_ERROR)[2] if job.failure.code == "worker_lost" else previous
        message += f"{_PREVIOUS_ERROR}{previous}" if previous else ""
    return JobFailure("worker_lost", message, retryable=True)


def _deadline_passed(job: JobRecord) -> JobFailure:
    last_error = f"; its last error: {job.failure.message}" if job.failure else ""
    return JobFailure("deadline_passed", f"the job was not done by its deadline{last_error}", retryable=True)
