"""Helpers that observe a running stack behind its API."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import LocalCloud

type Running = LocalCloud | Deployed  # a running stack; for a cloud, the stack of its first example


def until[Seen](look: Callable[[], Seen | None], timeout_s: float = 120.0) -> Seen:
    """Call `look` until it returns something true, and return that. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.2)
    raise TimeoutError(f"not seen within {timeout_s:.0f} s")


def logged(stack: Running, function: str, since: float) -> list[str]:
    """Return the log lines of a function (`api`, `worker`, `sweeper`, `events`) since a time (`time.time()`)."""
    return [event["message"] for event in _events(stack, function, since)]


def invocations(stack: Running, function: str, since: float) -> list[list[str]]:
    """Return the log lines of each invocation of a function that ended since a time, from START to REPORT.

    The emulator writes the lines when the invocation ends, which may be seconds after its job has ended. So some
    invocations may belong to an earlier test: their lines say to which job.
    """
    streams: dict[str, list[list[str]]] = {}
    for event in _events(stack, function, since):
        runs = streams.setdefault(event["logStreamName"], [])
        if event["message"].startswith("START ") or not runs:
            runs.append([])
        runs[-1].append(event["message"])
    return [run for runs in streams.values() for run in runs]


def _events(stack: Running, function: str, since: float) -> list[dict[str, Any]]:
    group = f"/aws/lambda/{stack.outputs['function_names'][function]}"
    pages = stack.boto3("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=group, startTime=int(since * 1000))
    return [event for page in found for event in page["events"]]


def of_job(runs: list[list[str]], job_id: str) -> list[str]:
    """Return the lines of the invocations that mention a job, each from the first mention on."""
    found = ((run, next((number for number, line in enumerate(run) if job_id in line), None)) for run in runs)
    return [line for run, first in found if first is not None for line in run[first:]]


def calls_of(stack: Running, job_id: str) -> list[dict[str, Any]]:
    """Return the stand-in's records of the model calls of a job, oldest first."""
    return [call for call in stack.stand_in.calls() if (call["metadata"] or {}).get("job_id") == job_id]


def statements(stack: Running, function: str) -> list[str]:
    """Return the Sids of a function's role."""
    return [statement["Sid"] for statement in _policy(stack, function)["Statement"]]


@contextmanager
def without_statement(stack: Running, function: str, sid: str) -> Iterator[None]:
    """Remove one statement from a function's role while the block runs."""
    whole = _policy(stack, function)
    rest = [statement for statement in whole["Statement"] if statement["Sid"] != sid]
    assert len(rest) == len(whole["Statement"]) - 1
    _put_policy(stack, function, {**whole, "Statement": rest})
    stack.stand_in.reset()  # it caches the rights of a role for some seconds
    try:
        yield
    finally:
        _put_policy(stack, function, whole)
        stack.stand_in.reset()


def _policy(stack: Running, function: str) -> dict[str, Any]:
    role = stack.outputs["role_names"][function]
    document = stack.boto3("iam").get_role_policy(RoleName=role, PolicyName="statements")["PolicyDocument"]
    policy: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return policy


def _put_policy(stack: Running, function: str, policy: dict[str, Any]) -> None:
    role = stack.outputs["role_names"][function]
    stack.boto3("iam").put_role_policy(RoleName=role, PolicyName="statements", PolicyDocument=json.dumps(policy))
