"""Helpers that break a running stack in realistic ways, and repair it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis_jobs.client import Rejected
from analysis_jobs.prompts.library import PromptLibrary
from tests.system.watching import Running, until

_COMPARED = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}


def kill_workers(stack: Running) -> int:
    """Send SIGKILL to every process of this stack's worker; return how many there were."""
    found = list(_workers(stack))
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(found)


def _workers(stack: Running) -> Iterator[int]:
    named = f"AWS_LAMBDA_FUNCTION_NAME={stack.outputs['function_names']['worker']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or belongs to another user
            # The emulator unpacks functions below its folder. This excludes the workers of other clouds.
            mine = os.fsencode(stack.folder) in (process / "cmdline").read_bytes()
            if mine and named in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def wait_until_asking(stack: Running, job_id: str, attempt: int) -> None:
    """Wait until the worker waits for the model in this attempt of a job."""

    def look() -> bool:
        job = stack.client().status(job_id).raw
        asking = [call for call in stack.stand_in.calls(outcome="running") if call["metadata"].get("job_id") == job_id]
        return (job["status"], job["attempt"]) == ("processing", attempt) and bool(asking)

    until(look)


def settle(stack: Running) -> None:
    """End the jobs that other tests have left running, and delete their messages.

    They could otherwise consume an answer that the stand-in gives once, or appear in the next sweep.
    """
    scan = stack.boto3("dynamodb").get_paginator("scan").paginate

    def under_way() -> list[tuple[str, str]]:
        pages = scan(TableName=stack.outputs["table_name"], ConsistentRead=True)
        rows = [row for page in pages for row in page["Items"] if row["item"]["S"].startswith("job#")]
        return [
            (row["tenant"]["S"], row["item"]["S"].removeprefix("job#"))
            for row in rows
            if row.get("status", {}).get("S") in {"queued", "processing"}
        ]

    for tenant, job_id in under_way():
        with suppress(Rejected):  # it has just ended
            stack.client(tenant).cancel(job_id)
    until(lambda: not under_way())
    for url in stack.outputs["queue_urls"].values():
        stack.boto3("sqs").purge_queue(QueueUrl=url)


def make_overdue(stack: Running, job_id: str) -> None:
    """Make a job overdue: its lease, or the time in which its message had to arrive, has passed."""
    past = "SET due_at = :past"
    if stack.client().status(job_id).status == "processing":
        past += ", lease_until = :past"
    stack.boto3("dynamodb").update_item(
        TableName=stack.outputs["table_name"],
        Key={"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}},
        UpdateExpression=past,
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


def sweep(stack: Running) -> dict[str, int]:
    """Invoke the sweeper now, and return the steps that it took."""
    name = stack.outputs["function_names"]["sweeper"]
    answer = stack.boto3("lambda").invoke(FunctionName=name, Qualifier="live")
    assert "FunctionError" not in answer
    steps: dict[str, int] = json.loads(answer["Payload"].read())
    return steps


def alarm_on(stack: Running, key: str, value: float) -> str:
    """Return the line that shows a deployed alarm's expression, and whether `value` breaches it."""
    name = f"{stack.outputs['function_names']['worker'].removesuffix('-worker')}-{key}"
    [alarm] = stack.boto3("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    compared, threshold = _COMPARED[alarm["ComparisonOperator"]], alarm["Threshold"]
    rings = value > threshold if compared == ">" else value < threshold
    [dimension] = alarm["Dimensions"]
    of = "the API" if dimension["Name"] == "ApiId" else dimension["Value"]
    over = f"{alarm['Period'] * alarm.get('DatapointsToAlarm', alarm['EvaluationPeriods'])} s"
    return (
        f"alarm    {key} {'rings' if rings else 'is quiet'}: {alarm['Statistic']} of {alarm['Namespace']}"
        f" {alarm['MetricName']} of {of} over {over} is {value:g}, {compared} {threshold:g}"
    )


def depth(stack: Running, url: str) -> int:
    """Return the number of visible messages in a queue."""
    names = ["ApproximateNumberOfMessages"]
    found = stack.boto3("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def hidden_for_a_second(stack: Running, url: str) -> Iterator[None]:
    """Set the visibility timeout to a second while the block runs, so that failed messages return at once."""
    sqs = stack.boto3("sqs")
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def without_queue(stack: Running, url: str) -> Iterator[None]:
    """Delete a queue, and create it again after the block."""
    sqs = stack.boto3("sqs")
    before: dict[str, Any] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    tags = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    kept = {name: value for name, value in before.items() if name in _SET}
    sqs.delete_queue(QueueUrl=url)
    try:
        yield
    finally:
        sqs.create_queue(QueueName=url.rsplit("/", 1)[-1], Attributes=kept, tags=tags)


# The attributes that can be set. The others are counts and dates.
_SET = {
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
}


@contextmanager
def another_prompt(stack: Running, prompt: str, template: str) -> Iterator[None]:
    """Activate a version of a prompt with this template while the block runs, then roll back."""
    library = PromptLibrary(stack.boto3("dynamodb"), stack.outputs["prompt_table_name"])
    (active,) = set(library.head(prompt).active.values())
    bad = replace(library.version(prompt, active), version=0, user_prompt_template=template)
    library.put(bad, activate=True)
    try:
        yield
    finally:
        library.rollback(prompt)


@contextmanager
def broken_worker(stack: Running) -> Iterator[str]:
    """Deploy a worker that cannot start, and yield its error. Repair the alias after the block."""
    functions, name = stack.boto3("lambda"), stack.outputs["function_names"]["worker"]
    before = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    handler = functions.get_function_configuration(FunctionName=name)["Handler"]
    functions.update_function_configuration(FunctionName=name, Handler="nowhere.handler")
    broken = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=broken)
    try:
        answer = functions.invoke(FunctionName=name, Qualifier="live", Payload=b'{"Records": []}')
        yield str(json.loads(answer["Payload"].read())["errorMessage"])
    finally:
        functions.update_alias(FunctionName=name, Name="live", FunctionVersion=before)
        functions.update_function_configuration(FunctionName=name, Handler=handler)
        functions.delete_function(FunctionName=name, Qualifier=broken)


def take_all(stack: Running, url: str, count: int, timeout_s: float = 30) -> list[dict[str, Any]]:
    """Receive and delete `count` messages of a queue that has no other consumer."""
    sqs = stack.boto3("sqs")
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
    return found
