"""How system tests look at what happens behind the API."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloud.deployed import Deployed
from cloud.local_cloud import LocalCloud

type Running = LocalCloud | Deployed  # a stack that runs; of a whole cloud, its first example's


def until[Seen](look: Callable[[], Seen | None], timeout_s: float = 120.0) -> Seen:
    """Look until something is seen, and return it. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.2)
    raise TimeoutError(f"not seen within {timeout_s:.0f} s")


def logged(stack: Running, function: str, since: float) -> list[str]:
    """Return the lines that a function (`api`, `worker`, `sweeper`, `events`) wrote since a moment (`time.time()`)."""
    return [event["message"] for event in _events(stack, function, since)]


def invocations(stack: Running, function: str, since: float) -> list[list[str]]:
    """Return the lines of each run of a function that was over after a moment, from its START to its REPORT.

    A run's lines come all at once when it is over, which may be seconds after the job that it did has ended: so among
    them are runs that another test began. What a run belongs to is told by what it says.
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
    """Return the lines of the runs that say something of a job, each from there on: what is before is not of it."""
    found = ((run, next((number for number, line in enumerate(run) if job_id in line), None)) for run in runs)
    return [line for run, first in found if first is not None for line in run[first:]]


def calls_of(stack: Running, job_id: str) -> list[dict[str, Any]]:
    """Return the stand-in's log of a job's calls, oldest first."""
    return [call for call in stack.stand_in.calls() if (call["metadata"] or {}).get("job_id") == job_id]


def statements(stack: Running, function: str) -> list[str]:
    """Return the Sids of a function's role."""
    return [statement["Sid"] for statement in _policy(stack, function)["Statement"]]


@contextmanager
def without_statement(stack: Running, function: str, sid: str) -> Iterator[None]:
    """Take one statement out of a function's role for a while."""
    whole = _policy(stack, function)
    rest = [statement for statement in whole["Statement"] if statement["Sid"] != sid]
    assert len(rest) == len(whole["Statement"]) - 1
    _put_policy(stack, function, {**whole, "Statement": rest})
    stack.stand_in.reset()  # it remembers for a moment what a role may do
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
