"""Contract of the order within a lane for every job store: in memory, and on DynamoDB."""

from typing import Any

from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobStore
from analysis_jobs.jobs.record import Changes, JobRecord, sort_key_in_lane
from analysis_jobs.jobs.transitions import BEAT, CLAIM, DEFER, JOIN
from tests.handlers.builders import MINUTE, SECOND, START, a_job


def waits(tier_rank: int | None, number: int, **given: Any) -> JobRecord:
    job_id = f"job{number}"
    return a_job(
        job_id=job_id,
        tier_rank=tier_rank,
        lane_sort_key=None if tier_rank is None else sort_key_in_lane(tier_rank, job_id),
        **given,
    )


def test_a_lane_lists_its_best_waiting_jobs_of_every_tenant(store: JobStore) -> None:
    jobs = [waits(2, 1), waits(0, 4), waits(10, 2), waits(0, 3, tenant="globex"), waits(0, 0, priority="high")]
    for job in (*jobs, waits(None, 9)):
        store.create(job, None)
    assert store.claimable("medium", 10) == [jobs[index].key for index in (3, 1, 0, 2)]
    assert store.claimable("medium", 2) == [jobs[3].key, jobs[1].key]
    assert store.claimable("high", 10) == [jobs[4].key]
    assert store.claimable("low", 10) == []


def test_the_last_transition_sets_the_place_of_a_job_in_its_lane(store: JobStore) -> None:
    job = waits(1, 1)
    store.create(job, None)
    claimed = store.transition(job.key, CLAIM, Changes({"lane_sort_key": None, "claimed_via": job.key}), now=START).job
    assert claimed is not None
    assert (claimed.lane_sort_key, claimed.claimed_via, store.claimable("medium", 1)) == (None, job.key, [])
    store.transition(job.key, DEFER, Changes({"not_before": START + MINUTE}), now=START, read=claimed)
    assert isinstance(
        store.transition(job.key, JOIN, Changes({"lane_sort_key": job.sort_key_in_lane}), now=START), ConditionFailed
    )
    assert store.claimable("medium", 1) == []
    store.transition(job.key, JOIN, Changes({"lane_sort_key": job.sort_key_in_lane}), now=START + MINUTE)
    assert store.claimable("medium", 1) == [job.key]


def test_a_heartbeat_does_not_change_the_order(store: JobStore) -> None:
    job = waits(1, 1)
    store.create(job, None)
    claimed = store.transition(
        job.key, CLAIM, Changes({"lane_sort_key": None, "lease_until": START + MINUTE}), now=START
    ).job
    beaten = store.transition(
        job.key, BEAT, Changes({"lease_until": START + 2 * MINUTE}), now=START + SECOND, read=claimed
    )
    assert isinstance(beaten, Applied)
    assert (beaten.job.lane_sort_key, beaten.job.priority, store.claimable("medium", 1)) == (None, "medium", [])
