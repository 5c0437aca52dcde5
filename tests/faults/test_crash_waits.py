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

LEASE_S, HEARTBEAT_S, SWEEP_S = 3.0, 0.75, 3.0
VISIBILITY_MARGIN_S = 2.0  # the worker adds it to the lease, for any lease
PROCESS_S = 3.0  # time to sweep, receive and claim on a machine that is busy with other tests
# The longest wait for each way, counted from the last heartbeat. The kill may follow it at once.
BOUNDS = {
    "message": LEASE_S + VISIBILITY_MARGIN_S,
    "sweeper": LEASE_S + SWEEP_S,
}


@pytest.mark.parametrize("way", BOUNDS)
def test_a_killed_workers_job_is_claimed_again_within_its_bound(tmp_path: Path, way: str, *, long: bool) -> None:
    jobs = 30 if long else 4
    chance = random.Random(1)
    with LocalAws(tmp_path, lease_s=LEASE_S, heartbeat_s=HEARTBEAT_S, visibility_s=60, MODEL_SILENCE_S="60") as aws:
        aws.stand_in.set(times=jobs, first_token_s=60.0)  # the workers that wait for these answers are killed
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
        ended = until(lambda: all_ended(aws), 60)
        assert {(job.status, job.attempt) for job in ended.values()} == {(Status.COMPLETED, 2)}
        assert broken_rules(aws.changes()) == []
        waited = [wait.waited_s for wait in crash_waits(kills, claims(aws), ended)]
        assert len(waited) == jobs
        assert max(waited) < BOUNDS[way] + PROCESS_S
        record(
            f"wait after a kill, by the {way}",
            jobs=jobs,
            lease_s=LEASE_S,
            heartbeat_s=HEARTBEAT_S,
            bound_s=BOUNDS[way],
            **spread(waited),
        )
