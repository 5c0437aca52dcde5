"""Idempotency keys, and the routes that an analysis declares for itself."""

from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.jobs.record import JobKey
from tests.handlers.api.site import BOOK, Site, submit, upload
from tests.handlers.events import call


def test_the_same_key_and_body_give_the_same_job_and_one_message(both: Site) -> None:
    first = call("POST", "/jobs", BOOK, headers={"Idempotency-Key": "k1"})
    both.clock.advance(timedelta(hours=23))
    reordered = {"input": {"isbn": "42"}, "analysis": "book-valuation", "client": None}
    again = call("POST", "/jobs", reordered, headers={"idempotency-key": "k1"})
    assert (again.status, again.json) == (202, first.json)
    assert len(both.queue.sent) == 1


def test_the_same_key_with_another_body_is_refused(both: Site) -> None:
    submit(headers={"Idempotency-Key": "k1"})
    answer = call("POST", "/jobs", BOOK | {"input": {"isbn": "43"}}, headers={"Idempotency-Key": "k1"})
    assert (answer.status, answer.fields) == (422, ["Idempotency-Key"])
    assert len(both.queue.sent) == 1


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_empty_or_too_long_key_is_refused(key: str) -> None:
    answer = call("POST", "/jobs", BOOK, headers={"Idempotency-Key": key})
    assert (answer.status, answer.fields) == (422, ["Idempotency-Key"])


def test_an_own_route_accepts_the_key(site: Site) -> None:
    body, headers = {"document": upload()}, {"Idempotency-Key": "k1"}
    first = call("POST", "/proposals/42/analyze-rfp", body, headers=headers)
    assert call("POST", "/proposals/42/analyze-rfp", body, headers=headers).json == first.json
    assert call("POST", "/proposals/43/analyze-rfp", body, headers=headers).fields == ["Idempotency-Key"]
    assert len(site.queue.sent) == 1


def test_an_own_route_submits_its_body_with_the_subject_from_its_path(both: Site) -> None:
    document = upload()
    answer = call("POST", "/proposals/42/analyze-rfp", {"document": document})
    assert answer.status == 202
    job = both.store.get(JobKey("acme", answer.json["job_id"]))
    assert job is not None
    assert (job.analysis, job.subject, job.input.text) == (
        "rfp-analysis",
        "proposals/42",
        f'{{"document":"{document}"}}',
    )


def test_the_own_status_route_shows_the_subjects_newest_job(both: Site) -> None:
    body = {"document": upload()}
    assert call("GET", "/proposals/42/analysis-status").status == 404
    call("POST", "/proposals/42/analyze-rfp", body)
    both.clock.advance(timedelta(seconds=1))
    newest = call("POST", "/proposals/42/analyze-rfp", body).json["job_id"]
    call("POST", "/proposals/43/analyze-rfp", body)
    answer = call("GET", "/proposals/42/analysis-status")
    assert (answer.status, answer.json["job_id"]) == (200, newest)
    assert call("GET", "/proposals/42/analysis-status", tenant="other").status == 404


def test_the_etag_of_a_subjects_earlier_job_does_not_match_the_next_job(site: Site) -> None:
    body = {"document": upload()}
    call("POST", "/proposals/42/analyze-rfp", body)
    tag = call("GET", "/proposals/42/analysis-status").headers["etag"]
    site.clock.advance(timedelta(seconds=1))
    call("POST", "/proposals/42/analyze-rfp", body)  # the new job has the same version number
    assert call("GET", "/proposals/42/analysis-status", headers={"If-None-Match": tag}).status == 200


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "document"), ({"document": "x"}, "document"), ([], "body"), ({"document": 1}, "document")],
)
def test_an_own_route_reports_fields_by_the_names_that_its_callers_use(body: Any, field: str) -> None:
    answer = call("POST", "/proposals/42/analyze-rfp", body)
    assert (answer.status, answer.fields) == (422, [field])
    assert answer.json["detail"].startswith(f"{field}: ")


@pytest.mark.usefixtures("site")
def test_the_body_of_an_own_route_cannot_change_the_subject() -> None:
    answer = call("POST", "/proposals/42/analyze-rfp", {"document": upload(), "subject": "proposals/43"})
    assert answer.status == 202
    assert call("GET", "/proposals/43/analysis-status").status == 404


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("part", ["{id}", "{0.__class__}", "%7Bid%7D", "a#b", "4 2", "..", "42%2F43"])
def test_an_unusual_subject_in_the_path_is_kept_unchanged_or_matches_no_route(part: str) -> None:
    submitted = call("POST", f"/proposals/{part}/analyze-rfp", {"document": upload()})
    if submitted.status == 404:
        assert part == "a#b"
        return
    assert call("GET", f"/proposals/{part}/analysis-status").json["subject"] == f"proposals/{part}"


@pytest.mark.usefixtures("site")
def test_a_too_long_subject_is_refused_and_the_problem_names_the_field() -> None:
    answer = call("POST", f"/proposals/{'4' * 300}/analyze-rfp", {"document": upload()})
    assert (answer.status, answer.fields) == (422, ["subject"])


NFC, NFD = "Am\u00e9lie", "Ame\u0301lie"


@pytest.mark.parametrize(("submitted", "asked"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)])
def test_two_spellings_of_a_subject_are_one_subject(both: Site, submitted: str, asked: str) -> None:
    document = upload()
    job_id = call("POST", f"/proposals/{submitted}/analyze-rfp", {"document": document}).json["job_id"]
    shown = call("GET", f"/proposals/{asked}/analysis-status").json
    assert (shown["job_id"], shown["subject"]) == (job_id, f"proposals/{NFC}")
    listed = call("GET", "/jobs", query={"subject": f"proposals/{asked}"}).json["jobs"]
    assert [job["job_id"] for job in listed] == [job_id]
    body = {"analysis": "rfp-analysis", "input": {"document": document}, "subject": f"proposals/{asked}"}
    both.clock.advance(timedelta(seconds=1))
    newest = submit(body)
    assert call("GET", f"/proposals/{submitted}/analysis-status").json["job_id"] == newest


IMPOSSIBLE = {"long": "4" * 222, "bytes": "\u20ac" * 2_000, "longer than a key": "4" * 5_000, "half a pair": "\ud83d"}


@pytest.mark.parametrize("part", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_subject_that_no_job_can_have_is_not_looked_up(
    site: Site, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def latest(*_: object) -> None:
        raise AssertionError("DynamoDB refuses such a key")

    monkeypatch.setattr(type(site.store), "latest", latest)
    assert call("GET", f"/proposals/{part}/analysis-status").status == 404
