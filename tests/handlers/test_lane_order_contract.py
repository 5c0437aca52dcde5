"""What every store of jobs must do for the order within a lane; with the one in memory, and the one on DynamoDB."""

from typing import Any

from analysis_jobs.jobs.ports import JobStore, Landed, Refused
from analysis_jobs.jobs.record import Changes, JobRecord, place
from analysis_jobs.jobs.transitions import BEAT, CLAIM, DEFER, JOIN
from tests.handlers.builders import MINUTE, SECOND, START, a_job


def waits(rank: int | None, number: int, **given: Any) -> JobRecord:
    job_id = f"job{number}"
    return a_job(job_id=job_id, rank=rank, waiting=None if rank is None else place(rank, job_id), **given)


def test_a_lane_shows_the_best_jobs_that_wait_in_it_of_every_tenant(store: JobStore) -> None:
    jobs = [waits(2, 1), waits(0, 4), waits(10, 2), waits(0, 3, tenant="globex"), waits(0, 0, lane="high")]
    for job in (*jobs, waits(None, 9)):
        store.create(job, None)
    assert store.waiting("medium", 10) == [jobs[index].key for index in (3, 1, 0, 2)]
    assert store.waiting("medium", 2) == [jobs[3].key, jobs[1].key]
    assert store.waiting("high", 10) == [jobs[4].key]
    assert store.waiting("low", 10) == []


def test_a_job_stands_in_its_lane_as_its_last_transition_said(store: JobStore) -> None:
    job = waits(1, 1)
    store.create(job, None)
    claimed = store.transition(job.key, CLAIM, Changes({"waiting": None, "turn_of": job.key}), now=START).job
    assert claimed is not None
    assert (claimed.waiting, claimed.turn_of, store.waiting("medium", 1)) == (None, job.key, [])
    store.transition(job.key, DEFER, Changes({"not_before": START + MINUTE}), now=START, read=claimed)
    assert isinstance(store.transition(job.key, JOIN, Changes({"waiting": job.place}), now=START), Refused)
    assert store.waiting("medium", 1) == []
    store.transition(job.key, JOIN, Changes({"waiting": job.place}), now=START + MINUTE)
    assert store.waiting("medium", 1) == [job.key]


def test_a_heartbeat_leaves_the_order_as_it_is(store: JobStore) -> None:
    job = waits(1, 1)
    store.create(job, None)
    claimed = store.transition(job.key, CLAIM, Changes({"waiting": None, "lease_until": START + MINUTE}), now=START).job
    beaten = store.transition(
        job.key, BEAT, Changes({"lease_until": START + 2 * MINUTE}), now=START + SECOND, read=claimed
    )
    assert isinstance(beaten, Landed)
    assert (beaten.job.waiting, beaten.job.lane, store.waiting("medium", 1)) == (None, "medium", [])
