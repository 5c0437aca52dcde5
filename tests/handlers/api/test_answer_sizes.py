"""What Lambda would refuse to return: a large result is linked, a page is cut, a problem is clipped."""

import json
from datetime import timedelta
from typing import Any

import pytest
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from analysis_jobs.api.answers import (
    MAX_ANSWER_BYTES,
    MAX_BODY_BYTES,
    RESULT_URL_LIFE,
    answer_bytes,
    fits,
    job_body,
    json_text,
    page_body,
)
from analysis_jobs.api.problems import Problem
from analysis_jobs.base.field_errors import FieldError
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, store_json
from analysis_jobs.jobs.ports import Page
from analysis_jobs.jobs.record import JobFailure, JobKey, Payload
from analysis_jobs.jobs.transitions import COMPLETE
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.handlers.api.site import Site, submit
from tests.handlers.builders import START, a_job
from tests.handlers.events import call


def completed(site: Site, result: Any) -> str:
    """Complete a job with this result, which is stored as a worker stores it."""
    job_id = submit()
    site.claim(job_id)
    job = site.store.get(JobKey("acme", job_id))
    assert job is not None
    site.take(job_id, COMPLETE, result=store_json(site.artifacts, job, "result", result), finished_at=site.clock.now())
    return job_id


@pytest.mark.parametrize(
    "result",
    [
        {"usd": 1, "x": ["ab"] * 980_000},  # 4.9 MB of quotes
        {"usd": 1, "x": "\n" * 2_400_000},  # two bytes as stored, three in the answer
        {"usd": 1, "x": "\u2028" * 1_600_000},
    ],
    ids=["quotes", "line breaks", "separators"],
)
def test_a_result_that_lambda_cannot_return_is_linked(site: Site, result: dict[str, Any]) -> None:
    job_id = completed(site, result)
    job = call("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["result"]) == ("completed", None)
    key, _, parameters = job["result_url"].removeprefix("memory://download/").partition("?")
    assert json.loads(site.artifacts.objects[key]) == result
    assert parameters == f"filename={job_id}-result.json&type=application/json&seconds=900"
    assert job["result_url_expires_at"] == "2026-01-01T00:15:00.000Z"


def test_a_large_result_that_fits_is_in_the_answer(site: Site) -> None:
    result = {"usd": 1, "x": "a" * (MAX_PAYLOAD_BYTES - 20)}
    job = call("GET", f"/jobs/{completed(site, result)}").json
    assert job["result"] == result
    assert (job["result_url"], job["result_url_expires_at"]) == (None, None)


def test_the_limit_of_a_job_is_exact() -> None:
    artifacts = MemoryArtifactStore()
    artifacts.write("jobs/acme/r.json", json.dumps({"x": "y" * 500}).encode(), "application/json")
    job = a_job(result=Payload(key="jobs/acme/r.json"))
    inline = job_body(job, artifacts, START)
    size = answer_bytes(inline)
    assert job_body(job, artifacts, START, limit=size) == inline
    linked = json.loads(job_body(job, artifacts, START, limit=size - 1))
    assert linked["result"] is None
    assert linked["result_url"].startswith("memory://download/jobs/acme/r.json")


def test_a_link_is_valid_for_minutes_only() -> None:
    assert timedelta(minutes=5) <= RESULT_URL_LIFE <= timedelta(hours=1)


@pytest.mark.parametrize(
    "body", ["", "plain", '{"a":"b"}', "\\", "\n\t\x00\x1f\x7f", "\u00e4\u20ac", "\U0001f4c8", "\u2028", '"' * 99]
)
def test_a_body_is_measured_as_the_runtime_encodes_it(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    encoded, _ = LambdaMarshaller().marshal_response(body)
    size = len(encoded.encode())
    assert size <= answer_bytes(body) <= size + 3 * body.count("\u2028")
    assert fits(body, answer_bytes(body))


def test_an_answer_of_the_largest_body_is_below_the_limit_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    body = '"' * ((MAX_BODY_BYTES - 2) // 2)
    assert fits(body)
    headers = {"ETag": "e" * 60, "Location": "l" * 10_000}
    answer = {"statusCode": 200, "headers": headers, "cookies": [], "isBase64Encoded": False, "body": body}
    assert len(LambdaMarshaller().marshal_response(answer)[0].encode()) <= MAX_ANSWER_BYTES
    assert not fits(body + '"')


def test_a_page_has_fewer_jobs_where_not_all_fit_and_goes_on_with_its_cursor() -> None:
    failure = JobFailure("model_error", '"' * 2_000, retryable=True)
    jobs = [a_job(job_id=f"{number:026}", failure=failure) for number in range(9, 0, -1)]
    whole = page_body(Page(jobs, None))
    assert [job["job_id"] for job in json.loads(whole)["jobs"]] == [job.job_id for job in jobs]
    assert json.loads(whole)["next_cursor"] is None
    seen: list[str] = []
    limit = answer_bytes(whole) // 4
    while remaining := jobs[len(seen) :]:
        body = page_body(Page(remaining, None), limit)
        assert answer_bytes(body) <= limit
        page = json.loads(body)
        seen += [job["job_id"] for job in page["jobs"]]
        assert page["next_cursor"] == (None if len(seen) == len(jobs) else seen[-1])
    assert seen == [job.job_id for job in jobs]


def test_a_cut_page_of_the_route_continues_where_it_ends(both: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for _ in range(5):
        both.clock.advance(timedelta(seconds=1))
        made.append(submit())
    monkeypatch.setattr("analysis_jobs.api.routes.page_body", lambda page: page_body(page, 2_000))
    seen: list[str] = []
    query: dict[str, str] = {}
    for _ in made:
        page = call("GET", "/jobs", query=query).json
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            break
        query = {"cursor": page["next_cursor"]}
    assert seen == made[::-1]
    assert query, "the first page was cut"


def test_one_job_that_is_too_large_alone_is_a_page_of_its_own() -> None:
    page = json.loads(page_body(Page([a_job(job_id="2" * 26), a_job(job_id="1" * 26)], None), limit=10))
    assert [job["job_id"] for job in page["jobs"]] == ["2" * 26]
    assert page["next_cursor"] == "2" * 26


def test_the_largest_problem_fits() -> None:
    errors = [FieldError("\x01" * 9_999, "\x01" * 9_999)] * 99
    assert fits(json_text(Problem(422, "Invalid request", "\x01" * 99_999, errors).body()))
