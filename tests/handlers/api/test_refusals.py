"""Who may call, what is no route, and what an error of ours looks like from outside."""

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
def test_a_token_that_names_no_tenant_may_do_nothing(method: str, path: str) -> None:
    answer = call(method, path, BOOK if method == "POST" else None, tenant=None)
    assert (answer.status, answer.fields) == (403, [])
    assert "'tenant'" in answer.json["detail"], "which claim is missing"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_may_do_nothing_learns_nothing_about_the_request(method: str, path: str) -> None:
    answer = call(method, path, raw="{" if method == "POST" else None, tenant=None, query={"limit": "0", "wait": "0"})
    assert answer.status == 403


@pytest.mark.parametrize("tenant", STRANGE, ids=repr)
def test_a_tenant_that_would_blur_a_key_is_none(site: Site, tenant: str) -> None:
    assert [call("POST", "/jobs", BOOK, tenant=tenant).status, call("GET", "/jobs", tenant=tenant).status] == [403, 403]
    assert call("POST", "/uploads", UPLOAD, tenant=tenant).status == 403
    assert site.queue.sent == []


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("tenant", ["acme", "ACME", "0", "auth0:42", "ada@acme.org", "eu-west+1", "a" * 128])
def test_a_tenant_of_the_usual_kinds_is_one(tenant: str) -> None:
    job_id = submit(tenant=tenant)
    assert call("GET", f"/jobs/{job_id}", tenant=tenant).status == 200
    assert call("GET", f"/jobs/{job_id}", tenant=f"x{tenant[1:]}").status == 404


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("claim", [None, 5, True, ["acme"], {"acme": 1}])
def test_a_claim_that_is_no_text_names_no_tenant(claim: Any) -> None:
    assert send(http_event("GET", "/jobs", claims={"tenant": claim})).status == 403


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    "authorizer", [None, {}, {"iam": {"userId": "A"}}, {"lambda": {"tenant": "acme"}}, {"jwt": {}}]
)
def test_without_a_token_of_the_authorizer_nobody_is_anybody(authorizer: Any) -> None:
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
def test_what_is_no_route_is_not_found_as_a_problem(method: str, path: str) -> None:
    answer = call(method, path)
    assert (answer.status, answer.fields) == (404, [])
    assert f"{method} {path}" in answer.json["detail"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/jobs"), ("GET", ROUTES[2][1])])
def test_an_error_of_ours_is_logged_with_its_trace_and_told_without_it(
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
    assert (line["request_id"], line["exc_info"][1]) == (REQUEST_ID, error)
    assert site.queue.sent == []


def _raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("site")
def test_the_request_after_an_error_is_answered() -> None:
    with patch.object(MemoryJobStore, "list_jobs", _raising(RuntimeError("once"))):
        assert call("GET", "/jobs").status == 500
    assert call("GET", "/jobs").status == 200


def test_a_submission_counts_one_accepted_job(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    submit()
    assert '"JobsSubmitted":[1.0]' in capsys.readouterr().out
    call("POST", "/jobs", {})
    with patch.object(MemoryQueue, "send", _raising(OSError("no route"))):
        submit()
    assert capsys.readouterr().out.count("JobsSubmitted") == 2, "once as its name, once as its value"
    assert len(site.queue.sent) == 1


@pytest.mark.usefixtures("site")
def test_every_answer_says_what_it_is() -> None:
    answers = [call("GET", "/jobs"), call("POST", "/jobs", BOOK), call("POST", "/uploads", UPLOAD)]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    refused = [call("GET", "/"), call("POST", "/jobs", {}), call("GET", "/jobs", tenant=None)]
    assert {answer.headers["content-type"] for answer in refused} == {PROBLEM}
