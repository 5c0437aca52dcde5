"""Helpers of the fault tests that wait for processes and jobs."""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from analysis_jobs.jobs.record import JobKey, JobRecord
from tests.faults.local_aws import LocalAws


def until[Seen](look: Callable[[], Seen | None], timeout_s: float) -> Seen:
    """Call `look` until it returns a true value, and return that. Raises `AssertionError` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise AssertionError(f"{look} returned nothing within {timeout_s:.0f} s")


def said(aws: LocalAws, name: int, event: str) -> bool:
    """Tell whether a process has logged this event of the test harness."""
    return any(line.get("event") == f"harness.{event}" for line in aws.fleet.lines(name))


def handled(aws: LocalAws, name: int) -> bool:
    """Tell whether a process has handled its message. Raises `AssertionError` if it died before."""
    if said(aws, name, "handled"):
        return True
    assert aws.fleet.signal(name, 0), aws.fleet.last_output(name)
    return False


def ended(aws: LocalAws, key: JobKey) -> JobRecord | None:
    """Return a job if it has ended, otherwise None."""
    job = aws.store.get(key)
    return job if job and job.status.ended else None


def all_ended(aws: LocalAws) -> Mapping[str, JobRecord] | None:
    """Return all jobs if they have ended, otherwise None."""
    jobs = aws.jobs()
    return jobs if all(job.status.ended for job in jobs.values()) else None


def claims(aws: LocalAws) -> dict[int, list[tuple[str, float]]]:
    """Return the claims that each process logged: (job id, Unix time)."""
    found = defaultdict(list)
    for name in aws.fleet.names:
        for line in aws.fleet.lines(name):
            if line.get("event") == "job.claimed":
                at = datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")
                found[name].append((line["job_id"], at.timestamp()))
    return found


def spread(waited_s: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile (nearest rank) and the maximum, in seconds."""
    ordered = sorted(waited_s)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    found = {"wait_median_s": statistics.median(ordered), "wait_p99_s": p99, "wait_max_s": ordered[-1]}
    return {name: round(value, 2) for name, value in found.items()}
