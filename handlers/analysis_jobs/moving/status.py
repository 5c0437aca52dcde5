"""`status_of`: the state of an old id, while both systems live (dual read)."""

from dataclasses import dataclass

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.client import JobInfo, Jobs
from analysis_jobs.moving.items import Problem, Rows


@dataclass(frozen=True)
class Status:
    """The state of an old id. `side` is `old` or `new`, and `state` that side's own word.

    `job` is the new job, None on the old side. During the move of an item, the old side answers with the state that
    the item had before.
    """

    side: str
    state: str
    job: JobInfo | None = None


def status_of(source: Rows, jobs: Jobs, old_id: str, clock: Clock | None = None) -> Status | None:
    """Return the state of an old id. None if the older system does not know it.

    The new side answers from the moment that the older system names the new job, and never the old side again. Raises
    `NotFound` if that job has expired, and `ValueError` if the row cannot be read.
    """
    found = source.look(old_id, (clock or SystemClock()).now())
    if isinstance(found, Problem):
        raise ValueError(f"{old_id}: {found.message}")  # noqa: TRY004 - the row is wrong, not a type
    if found is None:
        return None
    if found.moved_to:
        job = jobs.status(found.moved_to)
        return Status("new", job.status, job)
    return Status("old", found.claim.was if found.claim else found.status)
