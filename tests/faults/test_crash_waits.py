"""How long a job waits after its worker was killed, for each of the two ways in which the next worker learns of it.

The storm shows that jobs survive. This test measures the wait when nothing else fails.
"""

import random
import signal
import time
from pathlib import Path

import pytest

from analysis_jobs.jobs.transitions import Status
from tests.faults.audit import broken_rules, crash_waits
from tests.faults.figures import record
from tests.faults.local_aws import LocalAws
from tests.faults.watching import all_ended, claims, spread, until

SWEEP_S = 3.0
VISIBILITY_MARGIN_S = 2.0  # `work` adds it to the lease, whatever the lease is
VISIBILITY_S = 3600  # of a message that no worker has touched: too long for any test to wait for
PROCESS_S = 3.0  # to sweep, to receive, to claim
# The longest wait beyond the lease that each way allows. The lease may be renewed at the moment of the kill.
BEYOND_THE_LEASE_S = {"message": VISIBILITY_MARGIN_S, "sweeper": SWEEP_S}


@pytest.mark.parametrize("way", BEYOND_THE_LEASE_S)
def test_a_killed_workers_job_is_claimed_again_within_its_bound(tmp_path: Path, way: str, *, long: bool) -> None:
    jobs = 30 if long else 4
    lease_s, heartbeat_s = (3.0, 0.75) if long else (9.0, 1.0)  # the short form runs on a busy machine
    bound_s = lease_s + BEYOND_THE_LEASE_S[way]
    chance = random.Random(1)
    with LocalAws(
        tmp_path, lease_s=lease_s, heartbeat_s=heartbeat_s, visibility_s=VISIBILITY_S, MODEL_SILENCE_S="60"
    ) as aws:
        aws.stand_in.set(times=jobs, first_token_s=60.0)  # those who wait for these answers will be killed
        doomed = [aws.fleet.spawn(invocations=1) for _ in range(jobs)]
        for number in range(jobs):
            aws.submit(number)
        until(lambda: len(aws.stand_in.calls()) >= jobs, 60)
        if way == "sweeper":
            aws.client("sqs").purge_queue(QueueUrl=aws.queue_url)  # as if every message were lost
            aws.fleet.spawn("sweeper", every_s=SWEEP_S)
        for _ in range(jobs):
            aws.fleet.spawn()
        kills = []
        for name in doomed:
            time.sleep(chance.uniform(0, 4 * SWEEP_S / jobs))  # spread over the time between two sweeps
            kills.append((name, time.time()))
            assert aws.fleet.signal(name, signal.SIGKILL)
        ended = until(lambda: all_ended(aws), 120)
        assert {(job.status, job.attempt) for job in ended.values()} == {(Status.COMPLETED, 2)}
        assert broken_rules(aws.changes()) == []
        waited = [wait.waited_s for wait in crash_waits(kills, claims(aws), ended)]
        assert len(waited) == jobs
        if long:  # it runs alone on its machine
            assert max(waited) < bound_s + PROCESS_S
        record(
            f"wait after a kill, by the {way}",
            jobs=jobs,
            lease_s=lease_s,
            heartbeat_s=heartbeat_s,
            bound_s=bound_s,
            **spread(waited),
        )
