"""Hundreds of jobs in a storm: each ends exactly once, and its model calls stay within their bound."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status
from tests.faults.audit import bound_of_calls, broken_rules, calls_by_job, crash_waits
from tests.faults.figures import record
from tests.faults.local_aws import LocalAws
from tests.faults.storm import STAGES, Size, Storm
from tests.faults.watching import claims, spread

QUICK = Size(24, 12, jobs_per_s=6, kill_every_s=1.0, pause_every_s=4, outage_every_s=6, limit_s=240)
LONG = Size(300, 24, jobs_per_s=5, kill_every_s=0.5, pause_every_s=3, outage_every_s=8, limit_s=300)


def test_every_job_in_a_storm_ends_once_within_its_bound_of_model_calls(tmp_path: Path, *, long: bool) -> None:
    with LocalAws(tmp_path, lease_s=2.0, heartbeat_s=0.5) as aws, Storm(aws, LONG if long else QUICK, seed=3) as storm:
        began = time.monotonic()
        jobs = storm.wait()
        took_s = time.monotonic() - began
        broken, calls = judged(aws, storm, jobs)
        assert set(aws.messages(aws.dead_letter_url)) <= set(jobs)
        waits = crash_waits(storm.kills, claims(aws), jobs)
        assert waits
        completed = {job_id for job_id, job in jobs.items() if job.status is Status.COMPLETED}
        assert completed
        events = Counter(line.get("event") for line in aws.fleet.lines())
        waited = [wait.waited_s for wait in waits]
        record(
            "storm",
            jobs=len(jobs),
            lost=len(storm.accepted) - sum(job.status.ended for job in jobs.values()),
            double_results=sum("it ended" in rule for rule in broken),
            completed=len(completed),
            failed=dict(failures(jobs)),
            took_s=round(took_s),
            processes_killed=len(storm.kills),
            processes_paused=storm.pauses,
            jobs_hit_by_a_kill=len(waits),
            outages=storm.outages,
            mishaps=dict(aws.proxy.met),
            troubles=dict(storm.troubles),
            stale_writes_refused=events["job.stale_write"] + events["job.stopped"],
            delivered_again=events["job.delivered_again"],
            calls_median=statistics.median(calls[job_id] for job_id in jobs),
            calls_max=max(calls.values()),
            calls_bound=2 * len(STAGES) * 3,
            lease_s=aws.lease_s,
            **spread(waited),
        )


def test_every_job_in_a_storm_of_packed_workers_ends_once(tmp_path: Path, *, long: bool) -> None:
    """Each invocation runs up to four jobs and fills its free slots. A kill hits all jobs of an invocation."""
    size = LONG if long else QUICK
    local = LocalAws(tmp_path, lease_s=2.0, heartbeat_s=0.5, JOBS_PER_INVOCATION="4")
    with local as aws, Storm(aws, replace(size, workers=size.workers // 3), seed=4) as storm:
        jobs = storm.wait()
        broken, _ = judged(aws, storm, jobs)
        shared_deaths = {job.job_id: steps(job).count("requeue_shared") for job in jobs.values()}
        assert set(shared_deaths.values()) <= {0, 1}, "the first death beside others costs no attempt, and no later one"
        received = [line["received"] for line in aws.fleet.lines() if line.get("event") == "batch.refilled"]
        assert received
        record(
            "storm of packed workers",
            jobs=len(jobs),
            lost=len(storm.accepted) - sum(job.status.ended for job in jobs.values()),
            double_results=sum("it ended" in rule for rule in broken),
            completed=sum(job.status is Status.COMPLETED for job in jobs.values()),
            processes_killed=len(storm.kills),
            deaths_beside_others=sum(shared_deaths.values()),
            received_by_running_invocations=sum(received),
        )


def judged(aws: LocalAws, storm: Storm, jobs: Mapping[str, JobRecord]) -> tuple[list[str], Counter[str]]:
    """See that each accepted job has ended once, within its bound of model calls.

    Return the rules that were broken, and the model calls by job.
    """
    assert storm.errors == []
    assert {key.job_id for key in storm.accepted} == set(jobs)
    assert len(jobs) == storm.size.jobs
    assert {job_id: job.status for job_id, job in jobs.items() if not job.status.ended} == {}
    broken = broken_rules(aws.changes())
    assert broken == []
    calls = calls_by_job(aws.stand_in.calls())
    bounds = {job_id: bound_of_calls(job, len(STAGES)) for job_id, job in jobs.items()}
    assert {job_id: calls[job_id] for job_id, bound in bounds.items() if calls[job_id] > bound} == {}
    return broken, calls


def steps(job: JobRecord) -> list[str]:
    """Return the names of a job's transitions."""
    return [entry.transition for entry in job.history]


def failures(jobs: dict[str, JobRecord]) -> Counter[str]:
    """Return the number of failed jobs by error code."""
    return Counter(job.failure.code for job in jobs.values() if job.failure)
