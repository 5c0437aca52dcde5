"""How long a job waited and was worked on, by its history: for the status, and for the averages of the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from analysis_jobs.base.observability import measure
from analysis_jobs.jobs.record import HistoryEntry, JobRecord
from analysis_jobs.jobs.transitions import CLAIM, RETRY, Status


@dataclass(frozen=True)
class _Run:
    """What became of a job since it was submitted, or was run again."""

    begun_at: datetime
    entries: Sequence[HistoryEntry]
    whole: bool


def waited(job: JobRecord) -> timedelta | None:
    """Return how long the job waited for its first worker, since it was submitted or run again; None: it still does."""
    run = _last_run(job)
    claims = (entry.at for entry in run.entries if entry.transition == CLAIM.name)
    first = next(claims, None)
    return None if first is None else max(timedelta(), first - run.begun_at)


def processed(job: JobRecord) -> timedelta | None:
    """Return how long workers held the job in all, since it was submitted or run again; None until it has ended.

    Pauses between two attempts do not count. Of a history that was cut, what is left counts.
    """
    run = _last_run(job)
    if not job.status.ended or not any(entry.transition == CLAIM.name for entry in run.entries):
        return None
    spans = [after.at - entry.at for entry, after in pairwise(run.entries) if entry.status is Status.PROCESSING]
    if not run.whole:
        spans = spans[1:]  # what was cut out lies behind the first entry
    return sum((max(timedelta(), span) for span in spans), timedelta())


def measure_wait(claimed: JobRecord) -> None:
    """Count the wait of a job that was just claimed, if this was its first claim."""
    wait = waited(claimed)
    claims = sum(entry.transition == CLAIM.name for entry in _last_run(claimed).entries)
    if wait is not None and claims == 1:
        measure("WaitSeconds", wait, claimed.analysis)


def measure_processing(ended: JobRecord) -> None:
    """Count how long a job was worked on that has just ended."""
    time = processed(ended)
    if time is not None:
        measure("ProcessingSeconds", time, ended.analysis)


def _last_run(job: JobRecord) -> _Run:
    whole = sum(entry.transition == CLAIM.name for entry in job.history) == job.fence
    for number in range(len(job.history) - 1, -1, -1):
        if job.history[number].transition == RETRY.name:
            return _Run(job.history[number].at, job.history[number + 1 :], whole=True)
    return _Run(job.created_at, job.history, whole)
