"""Lambda events in the form that AWS sends, and the handlers' answers."""

import base64
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import api
from analysis_jobs_dev.cloud.emulator.payloads import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, json_bytes

PROBLEM = "application/problem+json"
REQUEST_ID = "JKJaXmPLvHcESHA="


class Context:
    """The Lambda context object."""

    function_name = "analysis-jobs-api"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:analysis-jobs-api:live"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def __init__(self, time_left: timedelta = timedelta(minutes=15)) -> None:
        self._ends_at = time.monotonic() + time_left.total_seconds()

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time of the invocation, in milliseconds."""
        return max(0, round((self._ends_at - time.monotonic()) * 1_000))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def fields(self) -> list[str]:
        """The fields that a problem names. Fails if the answer is not a problem."""
        assert self.headers["content-type"] == PROBLEM
        assert self.json["status"] == self.status
        assert self.json.keys() >= {"type", "title", "status", "detail"}
        return [error["field"] for error in self.json.get("errors", [])]


def http_event(
    method: str,
    path: str,
    body: str | None = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    claims: Mapping[str, Any] | None = None,
    base64_encoded: bool = False,
) -> dict[str, Any]:
    """Return an event of an HTTP API with a JWT authorizer, payload format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    sent = {"accept": "*/*", "content-type": "application/json", "host": "abc123.execute-api.eu-west-1.amazonaws.com"}
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": sent | {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "authorizer": {"jwt": {"claims": {"sub": "ada", **(claims or {})}, "scopes": None}},
            "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8.9.1",
            },
            "requestId": REQUEST_ID,
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": base64_encoded,
    }
    # The gateway omits keys for absent parts of a request.
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode() if base64_encoded else body
    return event


def call(
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: str | None = None,
    tenant: str | None = "acme",
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request through `api.handler` and return the answer. `body` is sent as JSON, `raw` unchanged."""
    text = raw if raw is not None or body is None else json.dumps(body)
    claims = {} if tenant is None else {"tenant": tenant}
    return send(http_event(method, path, text, query=query, headers=headers, claims=claims))


def send(event: dict[str, Any]) -> Answer:
    """Pass an event to `api.handler` as Lambda's runtime does: the event and the answer are JSON."""
    assert json_bytes(event) <= MAX_REQUEST_BYTES, "Lambda refuses such a request"
    wire = json.dumps(api.handler(json.loads(json.dumps(event)), Context()), ensure_ascii=False).encode()
    assert len(wire) <= MAX_ANSWER_BYTES, "Lambda refuses such an answer"
    answer = json.loads(wire)
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    return Answer(answer["statusCode"], headers, answer.get("body") or "")


def sqs_record(body: str, number: int = 1, *, queue: str = "jobs", receipt: str = "receipt") -> dict[str, Any]:
    """Return one record of an SQS event.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
    """
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-66197{number:07}",
        "receiptHandle": receipt,
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1767225600000",
            "SenderId": "AROAXMPL:analysis-jobs-api",
            "ApproximateFirstReceiveTimestamp": "1767225600001",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{queue}",
        "awsRegion": "eu-west-1",
    }


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """Collect the log lines of the library within the block: the fields of each line, and its message as `text`."""
    lines: list[dict[str, Any]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(vars(record) | {"text": record.getMessage()})

    collect = Collect()
    logger = logging.getLogger("tests")  # `conftest.py` sets this service name
    logger.addHandler(collect)
    try:
        yield lines
    finally:
        logger.removeHandler(collect)
