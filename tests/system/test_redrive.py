"""A redrive shows failed jobs first and then runs each again once, even if it is killed and repeated."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.client import Client
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.watching import calls_of, until

pytestmark = pytest.mark.system

DOCUMENT = default_document(REPOSITORY / "examples" / "rfp-analysis")
CODE = "model_refused_request"
JOBS = 12


def failed_jobs(stack: LocalCloud, client: Client, count: int = JOBS) -> list[str]:
    """Make jobs that failed because of the model, which works again now."""
    document = client.upload(DOCUMENT)
    stack.stand_in.set(error="ValidationException")
    jobs = [client.submit("rfp-analysis", {"document": document}).job_id for _ in range(count)]
    assert Counter(client.wait(job).raw["error"]["code"] for job in jobs) == {CODE: count}
    stack.stand_in.reset()
    return jobs


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "analysis_jobs.cli", "redrive", "--json", *map(str, arguments)]


def environment(stack: LocalCloud, tenant: str) -> dict[str, str]:
    given = {"ANALYSIS_JOBS_URL": stack.api_url, "ANALYSIS_JOBS_TOKEN": stack.token(tenant)}
    return {**os.environ, **stack.connection.environment(), **given, "PYTHONPATH": str(REPOSITORY / "handlers")}


def redrive(stack: LocalCloud, tenant: str, *arguments: object) -> dict[str, Any]:
    """Run a redrive to its end and return its report."""
    ran = subprocess.run(
        command(*arguments),
        env=environment(stack, tenant),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def model_calls(stack: LocalCloud, jobs: list[str]) -> dict[str, int]:
    """Return the number of model calls of each job."""
    return {job: len(calls_of(stack, job)) for job in jobs}


def retries(job: Mapping[str, Any]) -> int:
    return [entry["transition"] for entry in job["history"]].count("retry")


def state_of(path: Path) -> list[str]:
    """Return the jobs that the state file of a redrive lists as restarted."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [entry["run_again"] for entry in map(json.loads, lines) if "run_again" in entry]


def test_failed_jobs_are_shown_first_and_then_all_complete(stack: LocalCloud) -> None:
    client = stack.client("hooli")
    jobs = failed_jobs(stack, client)
    shown = redrive(stack, "hooli")
    assert (shown["applied"], shown["found"], shown["run_again"]) == (False, JOBS, 0)
    assert shown["groups"] == [{"analysis": "rfp-analysis", "error_code": CODE, "jobs": JOBS}]
    assert redrive(stack, "hooli", "--error-code", "model_timeout")["found"] == 0
    assert {client.status(job).status for job in jobs} == {"failed"}

    done = redrive(stack, "hooli", "--error-code", CODE, "--analysis", "rfp-analysis", "--apply")
    counts = {name: done[name] for name in ("found", "run_again", "already_running", "refused", "failed")}
    assert counts == {"found": JOBS, "run_again": JOBS, "already_running": 0, "refused": 0, "failed": 0}
    assert {client.wait(job).status for job in jobs} == {"completed"}
    assert model_calls(stack, jobs) == dict.fromkeys(jobs, 1)
    assert redrive(stack, "hooli", "--apply")["found"] == 0


def test_a_redrive_that_was_killed_goes_on_and_runs_each_job_again_once(stack: LocalCloud, tmp_path: Path) -> None:
    client, state = stack.client("umbrella"), tmp_path / "state"
    jobs = failed_jobs(stack, client)
    with subprocess.Popen(
        command("--apply", "--state", state, "--rate", 2), env=environment(stack, "umbrella"), stdout=subprocess.DEVNULL
    ) as killed:
        until(lambda: len(state_of(state)) >= 4)
        killed.kill()
    before = len(state_of(state))
    assert 4 <= before < JOBS
    resumed = redrive(stack, "umbrella", "--apply", "--state", state)
    assert resumed["run_again_before"] + resumed["run_again"] == JOBS
    ended = [client.wait(job).raw for job in jobs]
    assert {job["status"] for job in ended} == {"completed"}
    assert {retries(job) for job in ended} == {1}
    assert model_calls(stack, jobs) == dict.fromkeys(jobs, 1)
    assert sorted(state_of(state)) == sorted(jobs)


def test_dead_letters_are_accounted_for_by_their_jobs(stack: LocalCloud) -> None:
    client, sqs = stack.client("cyberdyne"), stack.boto3("sqs")
    queue = stack.outputs["dead_letter_queue_urls"]["medium"]
    [job_id] = failed_jobs(stack, client, 1)
    letters = {
        "its own": pointer(job_id, "cyberdyne"),
        "nonsense": f"nonsense {uuid4()}",
        "unknown": pointer(new_id(SystemClock().now()), "cyberdyne"),
        "another tenant's": pointer(job_id, "globex"),
    }
    for body in letters.values():
        sqs.send_message(QueueUrl=queue, MessageBody=body)

    [shown] = redrive(stack, "cyberdyne", "--dead-letter-queue", queue)["dead_letters"]
    assert shown["accounted_for"] == {"run_again": 1}
    assert client.status(job_id).status == "failed"

    [done] = redrive(stack, "cyberdyne", "--dead-letter-queue", queue, "--apply")["dead_letters"]
    assert sum(done["accounted_for"].values()) == 1
    job = client.wait(job_id).raw
    assert (job["status"], retries(job)) == ("completed", 1)

    # Other tests leave dead letters too: only ours count, and are deleted.
    ours = {left["body"]: left["why"] for left in done["left"] if left["body"] in letters.values()}
    assert ours == {
        letters["nonsense"]: "not_a_job_message",
        letters["unknown"]: "unknown_job",
        letters["another tenant's"]: "job_of_another_tenant",
    }
    assert taken(sqs, queue, set(letters.values())) == ours.keys()


def pointer(job_id: str, tenant: str) -> str:
    return json.dumps({"job_id": job_id, "tenant": tenant})


def taken(sqs: Any, queue: str, bodies: set[str]) -> set[str]:
    """Delete the visible messages with these bodies from a queue, and return the bodies found."""
    found, others = set(), []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages"):
        for message in messages:
            if message["Body"] in bodies:
                found.add(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            else:
                others.append(message["ReceiptHandle"])
    for handle in others:
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    return found
