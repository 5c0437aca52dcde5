"""Uploads and submissions through the API handler: valid requests, and the refusal of each invalid field."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.stores.memory import MemoryQueue
from tests.handlers.api.site import BOOK, UPLOAD, Site, submit, upload
from tests.handlers.events import call, http_event, logged, send


def test_an_upload_is_answered_with_a_form_and_the_documents_name(site: Site) -> None:
    answer = call("POST", "/uploads", UPLOAD | {"filename": "Call (final).pdf"})
    assert answer.status == 201
    document = answer.json["document"]
    assert document.endswith("/Call-final-.pdf")
    assert answer.json["upload"]["fields"]["key"] == f"uploads/acme/{document}"
    assert answer.json["expires_in_seconds"] == 3600
    assert site.artifacts.objects == {}, "nothing is written until the caller uploads"


@pytest.mark.usefixtures("site")
def test_two_uploads_with_the_same_name_are_two_documents() -> None:
    assert upload() != upload()


@pytest.mark.parametrize(
    "filename",
    ["../../other/secret.pdf", "a\r\nSet-Cookie: x=1", "r\u00e9sum\u00e9.pdf", "C:\\x\\rfp.pdf", "\u202efdp"],
)
@pytest.mark.usefixtures("site")
def test_a_malicious_filename_stays_in_the_tenants_folder_and_can_be_submitted(filename: str) -> None:
    answer = call("POST", "/uploads", UPLOAD | {"filename": filename})
    key = answer.json["upload"]["fields"]["key"]
    assert key.startswith("uploads/acme/")
    assert key.count("/") == 3
    assert not set("\r\n\\") & set(key)
    assert call("POST", "/proposals/42/analyze-rfp", {"document": answer.json["document"]}).status == 202


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": "x" * 256}, "filename"),
        ({"filename": 5}, "filename"),
        ({"content_type": "pdf"}, "content_type"),
        ({"content_type": "application/pdf\r\nx: y"}, "content_type"),
        ({"content_type": "application/pdf; charset=x"}, "content_type"),
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": 50_000_001}, "size"),
        ({"tenant": "other"}, "tenant"),
    ],
)
@pytest.mark.usefixtures("site")
def test_an_invalid_upload_is_refused_and_the_problem_names_the_field(change: dict[str, Any], field: str) -> None:
    answer = call("POST", "/uploads", UPLOAD | change)
    assert (answer.status, answer.fields) == (422, [field])


def test_the_answer_to_a_submission_has_the_status_url_and_retry_after(both: Site) -> None:
    answer = call("POST", "/jobs", BOOK | {"subject": "books/42", "client": "web", "project": "p1", "priority": "high"})
    assert answer.status == 202
    job_id = answer.json["job_id"]
    assert answer.json == {
        "job_id": job_id,
        "status": "queued",
        "status_url": f"/jobs/{job_id}",
        "estimated_time_seconds": 20,
        "outcome": "created",
    }
    assert answer.headers["location"] == f"/jobs/{job_id}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/json"
    assert both.queue.sent == [("high", JobKey("acme", job_id), timedelta())]
    job = both.store.get(JobKey("acme", job_id))
    assert job is not None
    assert (job.subject, job.client, job.project, job.priority) == ("books/42", "web", "p1", "high")
    assert json.loads(job.input.text or "") == {"isbn": "42", "copies": 1, "notes": {}, "scan": None}


def test_a_base64_encoded_body_is_decoded(site: Site) -> None:
    event = http_event("POST", "/jobs", json.dumps(BOOK), claims={"tenant": "acme"}, base64_encoded=True)
    assert send(event).status == 202
    assert len(site.queue.sent) == 1


def test_the_job_is_stored_even_if_its_message_cannot_be_sent(site: Site) -> None:
    with patch.object(MemoryQueue, "send", side_effect=OSError("no route to SQS")), logged() as lines:
        job_id = submit()
    assert site.store.get(JobKey("acme", job_id)) is not None
    assert [line["event"] for line in lines] == ["job.submitted", "job.not_sent", "audit.job.submitted"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["analysis", "input"]),
        ({"input": {}}, ["analysis"]),
        ({"analysis": "book-valuation"}, ["input"]),
        (BOOK | {"analysis": 5}, ["analysis"]),
        (BOOK | {"analysis": "essay"}, ["analysis"]),
        (BOOK | {"analysis": "Book-Valuation"}, ["analysis"]),
        (BOOK | {"input": "isbn"}, ["input"]),
        (BOOK | {"input": {}}, ["input.isbn"]),
        (BOOK | {"input": {"isbn": None, "copies": 0}}, ["input.isbn", "input.copies"]),
        (BOOK | {"input": {"isbn": "42", "colour": "red"}}, ["input.colour"]),
        (BOOK | {"input": {"isbn": "42", "scan": "../other/rfp.pdf"}}, ["input.scan"]),
        (BOOK | {"priority": "urgent"}, ["priority"]),
        (BOOK | {"priority": 1}, ["priority"]),
        (BOOK | {"subject": ""}, ["subject"]),
        (BOOK | {"subject": "s" * 300}, ["subject"]),
        (BOOK | {"client": "c" * 129}, ["client"]),
        (BOOK | {"project": []}, ["project"]),
        (BOOK | {"tenant": "other"}, ["tenant"]),
        ([BOOK], ["body"]),
        ("text", ["body"]),
        (5, ["body"]),
    ],
)
def test_an_invalid_submission_is_refused_and_the_problem_names_every_invalid_field(
    body: Any, fields: list[str]
) -> None:
    answer = call("POST", "/jobs", body)
    assert (answer.status, answer.fields) == (422, fields)
    assert all(field in answer.json["detail"] for field in fields)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "isbn=42",
        "\ufeff{}",
        '{"analysis": NaN}',
        '{"analysis": "book-valuation", "input": {"isbn": "1", "notes": {"x": 1e999}}}',
        '{"analysis": "\\ud800", "input": {}}',
        '{"\\udfff": 1}',
        "[" * 100_000,
        '{"input":' * 2_000 + "1" + "}" * 2_000,
        "1" * 5_000,
    ],
    ids=lambda raw: raw[:24] or "nothing",
)
@pytest.mark.parametrize("path", ["/jobs", "/uploads", "/proposals/42/analyze-rfp"])
@pytest.mark.usefixtures("site")
def test_a_body_that_is_not_json_is_a_bad_request(path: str, raw: str) -> None:
    answer = call("POST", path, raw=raw)
    assert (answer.status, answer.fields) == (400, ["body"])
    assert "this is not JSON" in answer.json["detail"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("body", [None, "%%%", "/w=="], ids=["no body", "no base64", "no UTF-8"])
def test_a_body_that_cannot_be_decoded_is_a_bad_request(body: str | None) -> None:
    event = http_event("POST", "/jobs", claims={"tenant": "acme"}, base64_encoded=body is not None)
    event |= {"body": body} if body is not None else {}
    answer = send(event)
    assert (answer.status, answer.fields) == (400, ["body"])


@pytest.mark.usefixtures("site")
def test_a_too_large_body_is_refused_and_the_problem_names_the_fix() -> None:
    body = BOOK | {"input": {"isbn": "x" * MAX_PAYLOAD_BYTES}}
    answer = call("POST", "/jobs", body)
    assert (answer.status, answer.fields) == (413, ["body"])
    assert "POST /uploads" in answer.json["detail"]
    # The limit counts bytes. In characters this body would fit.
    wide = BOOK | {"input": {"isbn": "\u00e9" * (MAX_PAYLOAD_BYTES // 2)}}
    assert call("POST", "/jobs", raw=json.dumps(wide, ensure_ascii=False)).status == 413


@pytest.mark.usefixtures("site")
def test_a_refusal_does_not_repeat_a_huge_request() -> None:
    for body in (
        BOOK | {"analysis": "a" * 1_000_000},
        BOOK | {"priority": "p" * 1_000_000},
        BOOK | {f"field{number}": 1 for number in range(5_000)},
        BOOK | {"k" * 1_000_000: 1},
        BOOK | {"input": {"isbn": "42"} | {f"field{number}": 1 for number in range(5_000)}},
    ):
        answer = call("POST", "/jobs", body)
        assert answer.status == 422
        assert len(answer.body) < 20_000
        assert 1 <= len(answer.fields) <= 20
