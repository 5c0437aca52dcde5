"""Authorization, unknown routes, and how the API reports an internal error."""

from typing import Any
from unittest.mock import patch

import pytest

from analysis_jobs.stores.memory import MemoryJobStore, MemoryQueue
from tests.handlers.api.site import BOOK, UPLOAD, Site, submit
from tests.handlers.events import PROBLEM, REQUEST_ID, call, http_event, logged, send

ROUTES = [
    ("POST", "/jobs"),
    ("GET", "/jobs"),
    ("GET", "/jobs/01m80ep4519qqbn8af6shbwev8"),
    ("POST", "/jobs/01m80ep4519qqbn8af6shbwev8/cancel"),
    ("POST", "/jobs/01m80ep4519qqbn8af6shbwev8/retry"),
    ("POST", "/uploads"),
    ("GET", "/openapi.json"),
    ("POST", "/proposals/42/analyze-rfp"),
    ("GET", "/proposals/42/analysis-status"),
]
STRANGE = [
    "",
    " ",
    "a/b",
    "a#b",
    "a b",
    "../acme",
    "acme\n",
    "\u00e4cme",
    "-acme",
    ".",
    "a" * 129,
    "[acme other]",
    "a,b",
]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_without_a_tenant_is_forbidden_everywhere(method: str, path: str) -> None:
    answer = call(method, path, BOOK if method == "POST" else None, tenant=None)
    assert (answer.status, answer.fields) == (403, [])
    assert "'tenant'" in answer.json["detail"], "the problem names the missing claim"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_forbidden_caller_learns_nothing_about_the_request(method: str, path: str) -> None:
    answer = call(method, path, raw="{" if method == "POST" else None, tenant=None, query={"limit": "0", "wait": "0"})
    assert answer.status == 403


@pytest.mark.parametrize("tenant", STRANGE, ids=repr)
def test_a_tenant_that_would_make_a_key_ambiguous_is_forbidden(site: Site, tenant: str) -> None:
    assert [call("POST", "/jobs", BOOK, tenant=tenant).status, call("GET", "/jobs", tenant=tenant).status] == [403, 403]
    assert call("POST", "/uploads", UPLOAD, tenant=tenant).status == 403
    assert site.queue.sent == []


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("tenant", ["acme", "ACME", "0", "auth0:42", "ada@acme.org", "eu-west+1", "a" * 128])
def test_tenants_of_the_usual_forms_are_accepted(tenant: str) -> None:
    job_id = submit(tenant=tenant)
    assert call("GET", f"/jobs/{job_id}", tenant=tenant).status == 200
    assert call("GET", f"/jobs/{job_id}", tenant=f"x{tenant[1:]}").status == 404


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("claim", [None, 5, True, ["acme"], {"acme": 1}])
def test_a_claim_that_is_not_a_string_is_forbidden(claim: Any) -> None:
    assert send(http_event("GET", "/jobs", claims={"tenant": claim})).status == 403


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    "authorizer", [None, {}, {"iam": {"userId": "A"}}, {"lambda": {"tenant": "acme"}}, {"jwt": {}}]
)
def test_only_the_claims_of_the_jwt_authorizer_name_a_tenant(authorizer: Any) -> None:
    event = http_event(
        "GET", "/jobs", headers={"Authorization": "Bearer x", "tenant": "acme"}, query={"tenant": "acme"}
    )
    event["requestContext"]["authorizer"] = authorizer
    assert send(event).status == 403
    del event["requestContext"]["authorizer"]
    assert send(event).status == 403


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/jobs/"),
        ("GET", "/jobs/1/2"),
        ("GET", "//jobs"),
        ("DELETE", "/jobs"),
        ("PUT", "/jobs/01m80ep4519qqbn8af6shbwev8"),
        ("HEAD", "/jobs"),
        ("OPTIONS", "/jobs"),
        ("GET", "/uploads"),
        ("GET", "/proposals/42/analyze-rfp"),
        ("POST", "/proposals//analyze-rfp"),
        ("GET", "/jobs\r\nx: y"),
        ("POST", "/openapi.json"),
    ],
)
def test_an_unknown_route_answers_with_a_not_found_problem(method: str, path: str) -> None:
    answer = call(method, path)
    assert (answer.status, answer.fields) == (404, [])
    assert f"{method} {path}" in answer.json["detail"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/jobs"), ("GET", ROUTES[2][1])])
def test_an_internal_error_is_logged_with_its_place_and_answered_without_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    error = RuntimeError("password=hunter2 at arn:aws:dynamodb:eu-west-1:123456789012:table/jobs")
    for request in ("create", "get", "list_jobs"):
        monkeypatch.setattr(MemoryJobStore, request, _raising(error))
    with logged() as lines:
        answer = call(method, path, BOOK if method == "POST" else None)
    assert (answer.status, answer.fields) == (500, [])
    assert answer.json["detail"] == f"something failed on our side; request {REQUEST_ID}"
    [line] = [line for line in lines if line["event"] == "api.error"]
    assert line["request_id"] == REQUEST_ID
    assert line["exception"].startswith("RuntimeError at api/test_refusals.py:")
    assert "hunter2" not in str(line)
    assert site.queue.sent == []


def _raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("site")
def test_the_next_request_after_an_error_is_answered() -> None:
    with patch.object(MemoryJobStore, "list_jobs", _raising(RuntimeError("once"))):
        assert call("GET", "/jobs").status == 500
    assert call("GET", "/jobs").status == 200


def test_a_submission_counts_as_one_accepted_job(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    submit()
    assert '"JobsSubmitted":[1.0]' in capsys.readouterr().out
    call("POST", "/jobs", {})
    with patch.object(MemoryQueue, "send", _raising(OSError("no route"))):
        submit()
    assert capsys.readouterr().out.count("JobsSubmitted") == 2, (
        "the line has the metric once by its name and once by its value"
    )
    assert len(site.queue.sent) == 1


@pytest.mark.usefixtures("site")
def test_every_answer_has_a_content_type() -> None:
    answers = [call("GET", "/jobs"), call("POST", "/jobs", BOOK), call("POST", "/uploads", UPLOAD)]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    refused = [call("GET", "/"), call("POST", "/jobs", {}), call("GET", "/jobs", tenant=None)]
    assert {answer.headers["content-type"] for answer in refused} == {PROBLEM}
