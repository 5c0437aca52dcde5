"""Each request leaves one line in the audit trail: who did what, and whether it was allowed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from analysis_jobs.base import audit
from analysis_jobs.base.audit import Actor, acting_as, record
from tests.handlers.api.site import BOOK, UPLOAD, submit
from tests.handlers.events import call, http_event, logged, send

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
