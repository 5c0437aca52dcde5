"""Computes the waiting time and the processing time of a job from its history.

The job status shows both. The dashboard shows their averages.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from analysis_jobs.base.observability import UNKNOWN_ANALYSIS, measure
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import HistoryEntry, JobRecord
from analysis_jobs.jobs.transitions import CLAIM, RETRY, Status


@dataclass(frozen=True)
class _Run:
    """The history of a job since its submission or its last retry. `complete` is false if entries were cut out."""

    begun_at: datetime
    entries: Sequence[HistoryEntry]
    complete: bool


def wait_time(job: JobRecord) -> timedelta | None:
    """Return the time from the submission or the last retry to the first claim, None before that claim."""
    run = _last_run(job)
    claims = (entry.at for entry in run.entries if entry.transition == CLAIM.name)
    first = next(claims, None)
    return None if first is None else max(timedelta(), first - run.begun_at)


def processing_time(job: JobRecord) -> timedelta | None:
    """Return how long workers held the job since its submission or its last retry, None until it has ended.

    The time between two attempts does not count. If history entries were cut out, their time is missing.
    """
    run = _last_run(job)
    if not job.status.ended or not any(entry.transition == CLAIM.name for entry in run.entries):
        return None
    spans = [after.at - entry.at for entry, after in pairwise(run.entries) if entry.status is Status.PROCESSING]
    if not run.complete:
        spans = spans[1:]  # entries were cut out after the first one, so its span is unknown
    return sum((max(timedelta(), span) for span in spans), timedelta())


def record_wait_time(claimed: JobRecord, *, deployed: bool = True) -> None:
    """Write the metric `WaitSeconds` of a job that was just claimed, if this was its first claim.

    `deployed` tells whether the worker has the analysis of the job.
    """
    wait = wait_time(claimed)
    claims = sum(entry.transition == CLAIM.name for entry in _last_run(claimed).entries)
    if wait is not None and claims == 1:
        measure("WaitSeconds", wait, claimed.analysis if deployed else UNKNOWN_ANALYSIS)


def record_processing_time(ended: JobRecord) -> None:
    """Write the metric `ProcessingSeconds` of a job that has just ended."""
    time = processing_time(ended)
    if time is not None:
        unknown = ended.failure is not None and ended.failure.code == "analysis_unknown"
        measure("ProcessingSeconds", time, UNKNOWN_ANALYSIS if unknown else ended.analysis)


def _last_run(job: JobRecord) -> _Run:
    complete = sum(entry.transition == CLAIM.name for entry in job.history) == job.fence
    for number in range(len(job.history) - 1, -1, -1):
        if job.history[number].transition == RETRY.name:
            return _Run(job.history[number].at, job.history[number + 1 :], complete=True)
    return _Run(job.created_at, job.history, complete)
