"""Checks every job after a test, from the table's stream (each version of each row) and the model's log of calls."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status

_AFTER_A_CRASH = ("claim", "requeue", "requeue_shared", "abandon", "expire")

type Change = tuple[JobRecord | None, JobRecord]


@dataclass(frozen=True)
class CrashWait:
    """The time in seconds from the kill of a worker to its job's next claim, or to its end if no attempt is left."""

    job_id: str
    waited_s: float
    ended: bool


def broken_rules(changes: Iterable[Change]) -> list[str]:
    """Return one line for each rule that a job broke."""
    by_job: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_job[change[1].job_id].append(change)
    return [f"{job_id}: {rule}" for job_id, found in by_job.items() for rule in _broken(found)]


def _broken(changes: list[Change]) -> list[str]:
    rules = []
    versions = [after.version for _, after in changes]
    if versions != list(range(1, len(changes) + 1)):
        rules.append(f"its versions are {versions}: a write was lost or executed twice")
    endings = [after for before, after in changes if before and not before.status.ended and after.status.ended]
    if len(endings) != 1 or not changes[-1][1].status.ended:
        rules.append(f"it ended {len(endings)} times, and its status is {changes[-1][1].status}")
    for before, after in changes:
        if before:
            rules += _broken_by(before, after)
    return rules


def _broken_by(before: JobRecord, after: JobRecord) -> list[str]:
    rules = []
    where = f"version {after.version}"
    claimed = len(after.history) > len(before.history) and after.history[-1].transition == "claim"
    if before.status.ended:
        rules.append(f"{where} was written after the end of the job")
    if after.fence != before.fence + claimed:
        rules.append(f"{where}: the fence went from {before.fence} to {after.fence}")
    if after.attempt > after.max_attempts:
        rules.append(f"{where}: attempt {after.attempt} of {after.max_attempts}")
    held_until = before.lease_until if before.status is Status.PROCESSING else None
    if claimed and held_until and held_until > after.history[-1].at:
        rules.append(f"{where}: claimed while a worker held it")
    for name, reference in after.checkpoints.items():
        known = before.checkpoints.get(name, "")
        added = tokens_of(reference) - (tokens_of(known) if ":" in known else set())
        if reference != known and added | {after.fence} != {after.fence}:
            rules.append(f"{where}: checkpoint {name} is {reference}, but the job's token is {after.fence}")
    if (after.result is not None) != (after.status is Status.COMPLETED):
        rules.append(f"{where}: {after.status} with{'out' if after.result is None else ''} a result")
    return rules


def tokens_of(reference: str) -> set[int]:
    """Return the fencing tokens in a checkpoint's reference: `3.1-…` for a stage, `… 3:0-41 4:42` for its items."""
    stage, _, _ = reference.partition(".")
    return {int(stage)} if stage.isdigit() else {int(part.split(":")[0]) for part in reference.split(" ")[1:]}


def calls_by_job(calls: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return the number of model calls for each job."""
    return Counter(call["metadata"]["job_id"] for call in calls if call["metadata"])


def bound_of_calls(job: JobRecord, stages: int) -> int:
    """Return the most model calls that a job may make: in every attempt, one call and one repair for each stage.

    Each deferral adds the call that was deferred, and its repair. A death beside other jobs adds an attempt.
    """
    taken = Counter(entry.transition for entry in job.history)
    return 2 * (stages * (job.max_attempts + taken["requeue_shared"]) + taken["defer"])


def crash_waits(
    kills: Iterable[tuple[int, float]], claims: Mapping[int, Iterable[tuple[str, float]]], jobs: Mapping[str, JobRecord]
) -> list[CrashWait]:
    """Return the wait of each job that a killed process held.

    `kills` are (process, time). `claims` are (job, time) by process, as logged. Times are Unix seconds.
    """
    waits = []
    for name, killed_at in kills:
        for job_id, claimed_at in claims.get(name, ()):
            if wait := _wait(jobs[job_id], claimed_at, killed_at):
                waits.append(wait)
    return waits


def _wait(job: JobRecord, claimed_at: float, killed_at: float) -> CrashWait | None:
    times = [(entry.at.timestamp(), entry) for entry in job.history]
    claim = min((at for at, entry in times if entry.transition == "claim"), key=lambda at: abs(at - claimed_at))
    later = [(at, entry) for at, entry in times if at > claim]
    if not later or later[0][0] <= killed_at or later[0][1].transition not in _AFTER_A_CRASH:
        return None  # the process had released the job before it was killed
    for at, entry in later:
        if entry.transition == "claim" or entry.status.ended:
            return CrashWait(job.job_id, at - killed_at, entry.status.ended)
    return None
