"""Each request leaves one line in the audit trail: who did what, and whether it was allowed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs import wiring
from analysis_jobs.base import audit
from analysis_jobs.base.audit import Actor, acting_as, record
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.client import Backend
from tests.handlers.api.site import BOOK, UPLOAD, submit
from tests.handlers.builders import some_settings
from tests.handlers.events import call, http_event, logged, send

GROUP = "/aws/lambda/orders-audit"
SECRET = "Zq7-the-patient-has-Kx9"


def lines_of(method: str, path: str, body: Any = None, **options: Any) -> list[dict[str, Any]]:
    with logged() as lines:
        call(method, path, body, **options)
    return [line for line in lines if line.get("event", "").startswith("audit.")]


@pytest.mark.parametrize(
    ("method", "path", "body", "action", "status"),
    [
        ("POST", "/jobs", BOOK, "job.submitted", 202),
        ("POST", "/jobs", {"analysis": SECRET, "input": {}}, "job.submitted", 422),
        ("GET", "/jobs", None, "jobs.listed", 200),
        ("GET", "/jobs/{job_id}", None, "job.read", 200),
        ("GET", f"/jobs/{SECRET}", None, "job.read", 404),
        ("GET", "/jobs/{job_id}/files/missing", None, "file.downloaded", 404),
        ("POST", "/jobs/{job_id}/cancel", None, "job.cancelled", 200),
        ("POST", "/jobs/{job_id}/retry", None, "job.retried", 202),
        ("POST", "/uploads", UPLOAD, "upload.created", 201),
        ("GET", "/openapi.json", None, "api.described", 200),
        ("GET", f"/{SECRET}", None, "request.refused", 404),
    ],
)
@pytest.mark.usefixtures("site")
def test_each_request_leaves_one_line_with_its_caller(
    method: str, path: str, body: Any, action: str, status: int
) -> None:
    job_id = submit()
    [line] = lines_of(method, path.format(job_id=job_id), body)
    assert (line["event"], line["status"]) == (f"audit.{action}", status)
    assert (line["actor_kind"], line["actor"]) == ("token", "ada")
    assert line["request_id"]
    assert line.get("tenant", "acme") == "acme"
    if "{job_id}" in path:
        assert line["job_id"] == job_id
    assert SECRET not in json.dumps(line, default=str), "the line contains nothing that the caller made up"


@pytest.mark.usefixtures("site")
def test_a_caller_without_a_tenant_is_named_with_the_refusal() -> None:
    [line] = lines_of("GET", "/jobs", tenant=None)
    assert (line["event"], line["status"], line["actor"]) == ("audit.jobs.listed", 403, "ada")
    assert "tenant" not in line


@pytest.mark.usefixtures("site")
def test_a_poll_without_news_leaves_no_line() -> None:
    job_id = submit()
    tag = call("GET", f"/jobs/{job_id}").headers["etag"]
    assert lines_of("GET", f"/jobs/{job_id}", headers={"If-None-Match": tag}) == []


@pytest.mark.parametrize(
    ("authorizer", "expected"),
    [
        (
            {
                "jwt": {
                    "claims": {"sub": "u1", "iss": "https://login.example.com", "client_id": "web", "tenant": "acme"}
                }
            },
            {"actor_kind": "token", "actor": "u1", "actor_issuer": "https://login.example.com", "actor_client": "web"},
        ),
        (
            {"iam": {"userArn": "arn:aws:sts::111122223333:assumed-role/reports/nightly"}},
            {"actor_kind": "iam", "actor": "arn:aws:sts::111122223333:assumed-role/reports/nightly"},
        ),
        ({}, {"actor_kind": "unknown"}),
    ],
)
@pytest.mark.usefixtures("site")
def test_the_line_names_the_token_or_the_principal(authorizer: Mapping[str, Any], expected: dict[str, str]) -> None:
    event = http_event("GET", "/jobs")
    event["requestContext"]["authorizer"] = authorizer
    with logged() as lines:
        send(event)
    [line] = [line for line in lines if line["event"].startswith("audit.")]
    assert {name: value for name, value in line.items() if name.startswith("actor")} == expected


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(ValueError, match="give one of"):
        record("job.opened")


class Full:
    """A sink that takes lines until it fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self.error = error

    def write(self, line: Mapping[str, Any]) -> None:
        if self.error:
            raise self.error
        self.lines.append(line)


def test_a_sink_replaces_the_log_and_its_failure_loses_no_line() -> None:
    sink, broken = Full(), Full(OSError("no route"))
    with logged() as lines, acting_as(Actor("backend", "u1"), sink):
        audit.record("tenant.erased", tenant="acme", rows=3)
    assert not lines
    assert sink.lines == [
        {
            "event": "audit.tenant.erased",
            "message": "erased the data of a tenant",
            "tenant": "acme",
            "actor_kind": "backend",
            "actor": "u1",
            "rows": 3,
        }
    ]
    with logged() as lines, acting_as(Actor("backend", "u1"), broken):
        audit.record("tenant.erased", tenant="acme")
    assert [line["event"] for line in lines] == ["audit.not_sent", "audit.tenant.erased"]


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of CloudWatch Logs that has the log group of an audit trail."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        logs = boto3.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        yield logs


def written(logs: Any) -> list[dict[str, Any]]:
    return [json.loads(each["message"]) for each in logs.filter_log_events(logGroupName=GROUP)["events"]]


def test_a_trail_of_its_own_has_the_lines_and_the_log_has_none(trail: Any) -> None:
    sink = wiring.audit_sink(GROUP, "api", clock=SystemClock())
    with logged() as lines, acting_as(Actor("iam", "arn:aws:iam::1:role/ops"), sink):
        record("job.read", tenant="acme", job_id="1")
        record("job.cancelled", tenant="acme", job_id="1")
    assert lines == []
    assert [(line["event"], line["actor"], line["level"]) for line in written(trail)] == [
        ("audit.job.read", "arn:aws:iam::1:role/ops", "INFO"),
        ("audit.job.cancelled", "arn:aws:iam::1:role/ops", "INFO"),
    ]
    [stream] = trail.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert stream["logStreamName"].startswith("api/")


def test_a_line_that_the_trail_does_not_take_is_in_the_log(trail: Any) -> None:
    trail.delete_log_group(logGroupName=GROUP)
    sink = wiring.audit_sink(GROUP, "api")
    with logged() as lines, acting_as(Actor("unknown"), sink):
        record("job.read", tenant="acme", job_id="1")
    assert [line["event"] for line in lines] == ["audit.not_sent", "audit.job.read"]


def test_the_api_and_a_backend_write_into_the_trail_that_their_environment_names(trail: Any) -> None:
    """The wiring gives them the log group of the setting."""
    settings = some_settings(analyses="rfp_analysis", audit_log_group=GROUP)
    sink = wiring.api(settings).audit_sink
    assert sink is not None
    sink.write({"event": "audit.test"})
    given = {
        "ANALYSIS_JOBS_AUDIT_LOG_GROUP": GROUP,
        "ANALYSIS_JOBS_BUCKET_NAME": "bucket",
        "ANALYSIS_JOBS_QUEUE_URLS": '{"medium": "https://sqs/1/jobs"}',
        "ANALYSIS_JOBS_TABLE_NAME": "jobs",
    }
    backend = Backend(given, "acme", analyses=["a"]).in_process.audit_sink
    assert backend is not None
    backend.write({"event": "audit.test"})
    streams = trail.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert sorted(each["logStreamName"].partition("/")[0] for each in streams) == ["api", "backend"]
    assert wiring.api(some_settings(analyses="rfp_analysis")).audit_sink is None
