"""How system tests look at what happens behind the API."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloud.local_cloud import LocalCloud


def until[Seen](look: Callable[[], Seen | None], timeout_s: float = 30.0) -> Seen:
    """Look until something is seen, and return it. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.2)
    raise TimeoutError(f"not seen within {timeout_s:.0f} s")


def logged(stack: LocalCloud, function: str, since: float) -> list[str]:
    """Return the lines that a function (`api`, `worker`, `sweeper`, `events`) wrote since a moment (`time.time()`)."""
    group = f"/aws/lambda/{stack.connection.outputs['function_names'][function]}"
    pages = stack.boto3("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=group, startTime=int(since * 1000))
    return [event["message"] for page in found for event in page["events"]]


def statements(stack: LocalCloud, function: str) -> list[str]:
    """Return the Sids of a function's role."""
    return [statement["Sid"] for statement in _policy(stack, function)["Statement"]]


@contextmanager
def without_statement(stack: LocalCloud, function: str, sid: str) -> Iterator[None]:
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


def _policy(stack: LocalCloud, function: str) -> dict[str, Any]:
    role = stack.connection.outputs["role_names"][function]
    document = stack.boto3("iam").get_role_policy(RoleName=role, PolicyName="statements")["PolicyDocument"]
    policy: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return policy


def _put_policy(stack: LocalCloud, function: str, policy: dict[str, Any]) -> None:
    role = stack.connection.outputs["role_names"][function]
    stack.boto3("iam").put_role_policy(RoleName=role, PolicyName="statements", PolicyDocument=json.dumps(policy))
