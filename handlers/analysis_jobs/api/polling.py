"""How often a caller should ask for a job, and how often a waiting request reads the table.

Each poll costs about 2 USD per million (API Gateway, Lambda, one read). 20 polls in the usual time of a job cost a
fifth of 100, and the caller learns of the end at most a twentieth of that time late.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.jobs.record import JobRecord

_POLLS = 20
_LATE = 4
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(seconds=30)
_READS = 5
_LONGEST_PAUSE = timedelta(seconds=3)


def retry_after(estimate: timedelta, age: timedelta = timedelta()) -> str:
    """Return the value of the header `Retry-After`, in whole seconds.

    Args:
        estimate: How long a job of this analysis usually takes (`estimated_time`).
        age: The time since the job was accepted. A job that takes longer than usual is asked for less often, up to a
            fifth of the usual time: it may be an old job that somebody has retried.
    """
    usual = max(estimate, min(age, _LATE * estimate))
    pause = min(max(usual / _POLLS, _SHORTEST), _LONGEST)
    return str(round(pause.total_seconds()))


def retry_after_of(job: JobRecord, analyses: Mapping[str, Analysis[Any, Any]], now: datetime) -> str:
    """Return the value of the header `Retry-After` for a job that has not ended."""
    analysis = analyses.get(job.analysis)  # None: this version does not declare it any more
    age = now - job.created_at
    return retry_after(analysis.estimated_time if analysis else age, age)


def pause_between_reads(age: timedelta) -> timedelta:
    """Return how long a request with `?wait` waits until it reads the job again: a fifth of the job's age."""
    return min(max(age / _READS, _SHORTEST), _LONGEST_PAUSE)
