"""A worker is paused before one of its AWS calls, past its lease, and resumed after another worker did its job."""

import signal
from collections import Counter
from pathlib import Path
from typing import Any

from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.transitions import Status
from tests.faults.audit import broken_rules, calls_by_job
from tests.faults.figures import record
from tests.faults.local_aws import BUCKET, TABLE, TENANT, LocalAws
from tests.faults.watching import all_ended, handled, said, until

PACE = {"chunk_s": 0.1, "chunk_chars": 16}
BEATS = ("beat dynamodb:UpdateItem 1", "beat sqs:ChangeMessageVisibility 1")


def test_no_write_lands_from_a_worker_that_was_paused_past_its_lease(tmp_path: Path) -> None:
    # Inputs and results are artifacts here: a stale worker could overwrite them.
    with LocalAws(tmp_path, lease_s=6.0, heartbeat_s=1.0, visibility_s=8, INLINE_BYTES="0") as aws:
        aws.stand_in.set(**PACE)
        steps = steps_of_a_job(aws)
        assert {name.split()[1] for name in steps} > {"dynamodb:UpdateItem", "s3:PutObject", "s3:GetObject"}
        paused = pause_before_each(aws, steps)
        for name in [aws.fleet.spawn() for _ in range(6)] + [aws.fleet.spawn("sweeper", every_s=2.0)]:
            assert aws.fleet.signal(name, 0)
        ended = until(lambda: all_ended(aws), 240)
        assert Counter(job.status for job in ended.values()) == {Status.COMPLETED: len(steps) + 1}
        before, calls = everything(aws), calls_by_job(aws.stand_in.calls())
        for name in paused:
            assert aws.fleet.signal(name, signal.SIGCONT)
        until(lambda: all(handled(aws, name) for name in paused), 120)
        after = everything(aws)
        assert {label: after.get(label) for label in before} == before
        # A resumed worker writes artifacts under its own token. No row refers to them.
        left = [key for key in after.keys() - before.keys() if isinstance(key, str)]
        named = "".join(str(row) for key, row in after.items() if not isinstance(key, str))
        assert [key for key in left if key in named] == []
        assert broken_rules(aws.changes()) == []
        late = calls_by_job(aws.stand_in.calls()) - calls
        assert max(late.values(), default=0) <= 1
        refused = Counter(line.get("event") for name in paused for line in aws.fleet.lines(name))
        record(
            "stale worker",
            paused_before=len(steps),
            writes_landed=0,
            artifacts_left_unnamed=len(left),
            model_calls_after_waking=late.total(),
            refused=refused["job.stale_write"] + refused["job.stopped"] + refused["job.delivered_again"],
        )


def steps_of_a_job(aws: LocalAws) -> list[str]:
    """Run one job without faults; return the AWS calls of its worker in order, with the first two of its heartbeat."""
    aws.submit(0)
    name = aws.fleet.spawn(say_calls=True, invocations=1)
    until(lambda: handled(aws, name), 120)
    labels = [line["label"] for line in aws.fleet.lines(name) if line.get("event") == "harness.call"]
    assert set(BEATS) < set(labels)
    return [label for label in labels if label.startswith("work ") or label in BEATS]


def pause_before_each(aws: LocalAws, steps: list[str]) -> list[int]:
    """Start a job and a worker for each step. The worker pauses before that step. Return when all are paused."""
    for number in range(1, len(steps) + 1):
        aws.submit(number)
    workers = [aws.fleet.spawn(pause_before=step, invocations=1, timeout_s=300.0) for step in steps]
    until(lambda: all(said(aws, name, "paused") for name in workers), 240)
    return workers


def everything(aws: LocalAws) -> dict[Any, Any]:
    """Return all rows by key, and the digest and date of all objects by name."""
    rows = aws.client("dynamodb").scan(TableName=TABLE, ConsistentRead=True)["Items"]
    objects = aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    return {
        **{JobKey(TENANT, row["item"]["S"]): row for row in rows},
        **{found["Key"]: (found["ETag"], found["LastModified"]) for found in objects},
    }
