"""Work longer than one invocation continues in the next ones. Cancelled work stops within one heartbeat."""

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.transitions import Status
from tests.faults.analyses import LONG_STAGE
from tests.faults.audit import Change, broken_rules
from tests.faults.figures import record
from tests.faults.local_aws import LocalAws
from tests.faults.watching import ended, until

# Two of the stages do not fit into an invocation, and one does, with seconds to spare on a busy machine.
TIMEOUT_S, MARGIN_S, STAGE_S = 9.0, 3.0, LONG_STAGE.total_seconds()
HEARTBEAT_S = 0.75
TEXT = {"chunk_s": 0.2, "chunk_chars": 1}  # the stream lasts longer than any test waits
# The model's behaviour during the cancel, as scenarios of the stand-in.
MANNERS = {"flowing": TEXT, "stalled": {"stall_s": 60.0}, "silent": {"first_token_s": 60.0}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    folder = tmp_path_factory.mktemp("aws")
    with LocalAws(
        folder, lease_s=10, heartbeat_s=HEARTBEAT_S, STOP_MARGIN_S=str(MARGIN_S), MODEL_SILENCE_S="60"
    ) as aws:
        yield aws


@pytest.mark.parametrize("analysis", ["five-stages", "five-pages"])
def test_work_of_five_invocations_runs_each_part_once_in_one_attempt(aws: LocalAws, analysis: str) -> None:
    """Each part takes more than half of the function's timeout, so two of them do not fit into one invocation."""
    aws.stand_in.reset()
    aws.stand_in.set(first_token_s=STAGE_S)
    name = aws.fleet.spawn(timeout_s=TIMEOUT_S)
    began = time.monotonic()
    key = aws.submit(1 if analysis == "five-stages" else 2, analysis)
    job = until(lambda: ended(aws, key), 120)
    took_s = time.monotonic() - began
    assert aws.fleet.signal(name, 9)
    assert (job.status, job.attempt, job.failure) == (Status.COMPLETED, 1, None)
    took = [entry.transition for entry in job.history]
    assert took == ["claim", "continue"] * 4 + ["claim", "complete"]
    prompts = Counter(call["prompt_sha256"] for call in aws.stand_in.calls(outcome="ok"))
    assert sorted(prompts.values()) == [1] * 5
    assert len(aws.stand_in.calls()) == 5
    record(
        f"long work, {analysis}",
        parts=5,
        parts_run_twice=0,
        invocations=took.count("claim"),
        attempts_spent=job.attempt,
        function_s=TIMEOUT_S,
        part_s=STAGE_S,
        took_s=round(took_s, 1),
    )


@pytest.mark.parametrize("manner", MANNERS)
def test_a_cancel_stops_a_running_job_within_a_heartbeat(aws: LocalAws, manner: str, *, long: bool) -> None:
    jobs = 20 if long else 3
    aws.stand_in.reset()
    aws.stand_in.set(**MANNERS[manner])
    workers = [aws.fleet.spawn(timeout_s=60.0) for _ in range(jobs)]
    first = 100 * (1 + list(MANNERS).index(manner))
    keys = [aws.submit(first + number) for number in range(jobs)]
    until(lambda: len(aws.stand_in.calls(outcome="running")) == jobs, 50)
    time.sleep(HEARTBEAT_S)  # let what was sent before a stall arrive
    latencies = sorted(cancelled_after(aws, key) for key in keys)
    until(lambda: not aws.stand_in.calls(outcome="running"), 30)
    for name in workers:
        assert aws.fleet.signal(name, 9)
    # No answer was waited for, and no heartbeat but the one that brought the cancel and one on its way before it.
    assert [call["outcome"] for call in aws.stand_in.calls()] == ["caller hung up"] * jobs
    assert max(beats_after_cancel(aws.changes(), keys).values()) <= 2
    record(
        f"cancel, model {manner}",
        jobs=jobs,
        heartbeat_s=HEARTBEAT_S,
        median_s=round(statistics.median(latencies), 2),
        max_s=round(latencies[-1], 2),
    )


def cancelled_after(aws: LocalAws, key: JobKey) -> float:
    """Cancel a job; return the seconds until its row shows the end."""
    aws.control.cancel(key)
    asked = time.monotonic()
    job = until(lambda: ended(aws, key), 50)  # a silent model answers after 60 s
    took_s = time.monotonic() - asked
    assert job.status is Status.CANCELLED
    return took_s


def beats_after_cancel(changes: Iterable[Change], keys: list[JobKey]) -> dict[JobKey, int]:
    """Return how often the worker renewed the lease of each job after the cancel and before the end."""
    beats = dict.fromkeys(keys, 0)
    for before, after in changes:
        if after.key in beats and before and before.cancel_asked_at and not after.status.ended:
            beats[after.key] += 1
    return beats


def test_the_rows_of_all_these_jobs_kept_the_rules(aws: LocalAws) -> None:
    assert broken_rules(aws.changes()) == []
