"""The deployed package in the runtime client that Lambda uses."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Start
from tests.runtime.lambda_runtime import Answer, Function, LambdaRuntime

ENVIRONMENT = {
    "ANALYSES": "rfp_analysis",
    "TABLE_NAME": "jobs",
    "PROMPT_TABLE_NAME": "prompts",
    "BUCKET_NAME": "artifacts",
    "QUEUE_URLS": json.dumps({"medium": "http://127.0.0.1:9/queue"}),
    "CODE_VERSION": "under-test",
    "MODEL_ID": "anthropic.claude-sonnet-4-5-20250514-v1:0",
    "TENANT_CLAIM": "tenant",
    "POWERTOOLS_SERVICE_NAME": "under-test",
    "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
}
REQUEST = {
    "version": "2.0",
    "routeKey": "GET /no-such-route",
    "rawPath": "/no-such-route",
    "rawQueryString": "",
    "headers": {"accept": "application/json"},
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "api",
        "authorizer": {"jwt": {"claims": {"sub": "u", "tenant": "t"}, "scopes": None}},
        "http": {"method": "GET", "path": "/no-such-route", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        "requestId": "r",
        "routeKey": "GET /no-such-route",
        "stage": "$default",
    },
    "isBase64Encoded": False,
}
MALFORMED = {
    "Records": [
        {
            "messageId": "m1",
            "receiptHandle": "r1",
            "body": "not JSON",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:jobs",
        }
    ]
}
EVENT_ENVIRONMENT = {
    "EVENT_BUS_NAME": "default",
    "EVENT_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/queue",
    "POWERTOOLS_SERVICE_NAME": "under-test",
    "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
}
# The expiry of a row that ended long ago. It publishes no event.
ENDED = {
    "Records": [
        {
            "eventName": "REMOVE",
            "dynamodb": {"Keys": {"tenant": {"S": "t"}, "item": {"S": "job#j"}}, "SequenceNumber": "1"},
        }
    ]
}
# An event that each function can handle without AWS, and the settings that it needs for that.
ASKED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "api": (REQUEST, ENVIRONMENT),
    "worker": (MALFORMED, ENVIRONMENT),
    "sweeper": ({}, {}),
    "events": (ENDED, EVENT_ENVIRONMENT),
}
# The settings that a function reports as missing if it has none.
LACKS = dict.fromkeys(ASKED, ("ANALYSES", "TABLE_NAME", "QUEUE_URLS")) | {"events": tuple(EVENT_ENVIRONMENT)[:3]}


def ask(runtime: LambdaRuntime, name: str) -> Answer:
    return runtime.invoke(ASKED[name][0])


def function(task_root: Path, name: str) -> Function:
    return Function(task_root, f"{name}.handler", memory_mb=512, environment=ASKED[name][1])


def require_expected(name: str, answer: Answer) -> None:
    if name == "api":
        assert answer.error is None
        assert answer.value["statusCode"] == 404
    elif name == "worker":
        assert answer.value == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    elif name == "events":
        assert answer.value == {"batchItemFailures": []}
    else:
        assert answer.error is not None
        assert answer.error["errorType"] == "ConfigurationError"


def bytecode(task_root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in task_root.rglob("*.pyc")}


@pytest.mark.parametrize("name", ASKED)
def test_a_cold_start_compiles_nothing(name: str, task_root: Path, start: Start) -> None:
    """The folder is writable, so Python would save any bytecode that it compiles. No file is new or changed."""
    before = bytecode(task_root)
    runtime = start(function(task_root, name))
    require_expected(name, ask(runtime, name))
    assert len(before) > 500
    assert bytecode(task_root) == before


@pytest.mark.parametrize("name", ASKED)
def test_a_function_runs_from_bytecode_and_not_from_source(name: str, own_task_root: Path, start: Start) -> None:
    for source in own_task_root.rglob("*.py"):
        source.write_text("this is no Python\n", encoding="utf-8")
    require_expected(name, ask(start(function(own_task_root, name)), name))


def test_an_unknown_route_returns_problem_json(task_root: Path, start: Start) -> None:
    answer = ask(start(function(task_root, "api")), "api").value
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    problem = json.loads(answer["body"])
    assert problem["status"] == 404
    assert {"type", "title", "status", "detail"} <= problem.keys()


@pytest.mark.parametrize("name", ["api", "worker", "events"])
def test_a_second_event_is_answered_by_the_same_process_and_far_sooner(
    name: str, task_root: Path, start: Start
) -> None:
    runtime = start(function(task_root, name))
    first, second = ask(runtime, name), ask(runtime, name)
    require_expected(name, second)
    assert first.duration_s > 5 * second.duration_s
    assert runtime.starts == 1


@pytest.mark.parametrize("name", ASKED)
def test_the_error_names_missing_settings(name: str, task_root: Path, start: Start) -> None:
    runtime = start(Function(task_root, f"{name}.handler"))
    error = ask(runtime, name).error
    assert error is not None
    assert error["errorType"] == "ConfigurationError"
    assert all(variable in error["errorMessage"] for variable in LACKS[name])
    assert runtime.starts == 1, "settings are not read at import, so the function has started"


def test_a_cold_start_costs_little_more_than_boto3_alone(own_task_root: Path, start: Start) -> None:
    """Compares processor time: a function's start and first answer, and a script that only makes a boto3 client."""
    source = "import boto3\nboto3.client('sqs')\ndef handler(event, context):\n    return 'ready'\n"
    (own_task_root / "yardstick.py").write_text(source, encoding="utf-8")

    def cold_s(function: Function, event: dict[str, Any]) -> float:
        def once() -> float:
            runtime = start(function)
            runtime.invoke(event)
            return runtime.cpu_s()

        return min(once() for _ in range(3))

    yardstick_s = cold_s(Function(own_task_root, "yardstick.handler"), {})
    ratios = {
        name: cold_s(function(own_task_root, name), ASKED[name][0]) / yardstick_s
        for name in ("api", "worker", "events")
    }
    assert max(ratios.values()) < 2.5, ratios
