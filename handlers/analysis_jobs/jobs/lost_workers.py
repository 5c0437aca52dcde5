"""What becomes of a job whose worker died. The sweeper finds it, or a worker that receives the job's message."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from analysis_jobs.jobs.dispatch import send, send_grace
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobQueue, JobStore, Step
from analysis_jobs.jobs.record import Changes, JobFailure, JobRecord
from analysis_jobs.jobs.transitions import REQUEUE, REQUEUE_SHARED, Status, Transition

_PREVIOUS_ERROR = "; the previous error: "


def died_sharing(job: JobRecord, now: datetime) -> bool:
    """Return whether a job was running in a worker that could run others too, and its lease has expired."""
    expired = job.lease_until is None or job.lease_until <= now
    return job.status is Status.PROCESSING and job.shared is not None and expired


def requeue(store: JobStore, queue: JobQueue, job: JobRecord, now: datetime) -> bool:
    """Queue a job again after its worker died, and send its message. Return whether this took effect."""
    step = requeue_step(job, now)
    requeued = row_after(step, store.transition(job.key, step.transition, step.changes, now=now))
    if requeued is None:
        return False
    send(queue, requeued)
    return True


def requeue_step(job: JobRecord, now: datetime) -> Step:
    """Return the step that queues a job again after its worker died.

    If the worker could run other jobs too, the attempt does not count, and the job runs alone from now on.
    """
    changes: dict[str, Any] = {
        "due_at": min(now + send_grace(1), job.deadline),
        "lease_until": None,
        "failure": last_error(job),
        "claimant": uuid4().hex,
        "lane_sort_key": job.sort_key_in_lane,
    }
    transition: Transition = REQUEUE
    if died_sharing(job, now):
        transition = REQUEUE_SHARED
        changes |= {"shared": None, "alone": True}
    return Step(job, transition, Changes(changes), now)


def row_after(step: Step, outcome: Applied | ConditionFailed) -> JobRecord | None:
    """Return the row after the write of a step, None if the write did not take effect.

    If a reply was lost, the write is sent again. The second one fails its condition, but the row has the step's mark:
    the random `claimant` that it writes.
    """
    mark = step.changes.values.get("claimant")
    landed = isinstance(outcome, Applied) or (mark and outcome.job is not None and outcome.job.claimant == mark)
    return outcome.job if landed else None


def last_error(job: JobRecord) -> JobFailure:
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
