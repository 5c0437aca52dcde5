"""Credential extraction end to end: real documents, a real database, and the stand-in or a scripted model."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Reply
from analysis_jobs_dev.cloud.postgres import PostgreSQL
from analysis_jobs_dev.cloud.stand_in import StandIn
from credential_template import fields_by_labels, kind_by_marks
from credential_types import Certificate, Licence, Registration
from tests.handlers.builders import ScriptedModel
from tests.handlers.credentials import DOCUMENTS, Desk, a_desk, result_of
from tests.handlers.models import bedrock
from tests.handlers.pdfs import pdf

CERTIFICATE = {
    "holder": "Ada Example",
    "course": "Infection Control in Community Care",
    "credits": 7.5,
    "issued_on": "2026-03-14",
    "expires_on": "2028-03-13",
    "number": "CE-204817",
}
SCANNED_CERTIFICATE = {
    "holder": "Bertram Sample",
    "course": "Safe Handling of Loads",
    "credits": 12,
    "issued_on": "2026-06-02",
    "expires_on": "2029-06-01",
    "number": "CE-381146",
}
LICENCE = {
    "holder": "Cleo Placeholder",
    "profession": "Physical therapist",
    "issued_on": "2025-09-01",
    "expires_on": "2027-08-31",
    "number": "PT-0047193",
    "status": "Active",
}
REGISTRATION = {
    "holder": "Dorian Madeup",
    "category": "Pharmacy technician",
    "issued_on": "2024-01-09",
    "expires_on": "2027-01-08",
    "number": "FCP-55218",
}


@pytest.fixture
def desk(postgres_server: PostgreSQL, stand_in: StandIn) -> Iterator[Desk]:
    with a_desk(postgres_server, bedrock(stand_in.url)) as desk:
        yield desk


def answers(data: dict[str, Any]) -> Reply:
    return Reply(json.dumps(data), data, "tool_use", Usage(1, 10, 5))


@pytest.mark.parametrize(
    ("document", "read_by", "kind", "fields"),
    [
        ("certificate.pdf", "text", "certificate", CERTIFICATE),
        ("certificate-scan.pdf", "ocr", "certificate", SCANNED_CERTIFICATE),
        ("licence-scan.pdf", "ocr", "licence", LICENCE),
        ("registration-photo.jpg", "ocr", "registration", REGISTRATION),
    ],
)
def test_text_scan_and_photograph_are_classified_read_and_queued_for_review(
    desk: Desk, document: str, read_by: str, kind: str, fields: dict[str, Any]
) -> None:
    result = desk.work_through(document)
    assert result["read_by"] == [read_by]
    assert (result["kind"], result["fields"], result["findings"]) == (kind, fields, [])
    assert (result["status"], result["needs_review"]) == ("review_pending", False)
    assert desk.states() == {"42": "review_pending"}
    [row] = desk.results()
    assert (row["document_id"], row["kind"], row["fields"], row["needs_review"]) == ("42", kind, fields, False)


def test_a_value_read_by_ocr_has_a_lower_confidence_than_one_from_the_text_layer(desk: Desk) -> None:
    printed = desk.work_through("certificate.pdf", subject="documents/1")
    scanned = desk.work_through("certificate-scan.pdf", subject="documents/2")
    assert printed["confidence"].keys() == scanned["confidence"].keys() == {"kind", *CERTIFICATE}
    assert all(0.8 < scanned["confidence"][field] < printed["confidence"][field] for field in CERTIFICATE)


def test_an_impossible_value_is_a_finding_and_is_still_stored(desk: Desk) -> None:
    result = desk.work_through("certificate-wrong.pdf")
    found = [(each["field"], each["value"], each["rule"]) for each in result["findings"]]
    assert found == [
        ("credits", 480, "maximum"),
        ("expires_on", "2024-05-19", "after"),
        ("number", "CE-77", "pattern"),
    ]
    assert (result["fields"]["credits"], result["needs_review"]) == (480, True)
    [row] = desk.results()
    assert (row["findings"], row["needs_review"]) == (result["findings"], True)
    assert desk.states() == {"42": "review_pending"}


def test_a_disagreement_of_template_and_model_reports_both_values(postgres_server: PostgreSQL) -> None:
    model = ScriptedModel(
        answers({"kind": "licence", "confidence": 0.9}), answers({**CERTIFICATE, "number": "CE-204871", "course": None})
    )
    with a_desk(postgres_server, model) as desk:
        result = desk.work_through("certificate.pdf")
    assert [(each["field"], each["rule"], each["value"]) for each in result["findings"]] == [
        ("kind", "sources_disagree", {"template": "certificate", "model": "licence"}),
        ("number", "sources_disagree", {"template": "CE-204817", "model": "CE-204871"}),
    ]
    assert result["fields"] == CERTIFICATE, "the template's number, and its course because the model has none"
    sure = result["confidence"]
    assert sure["number"] < sure["course"] < sure["holder"]
    assert result["needs_review"]


def test_an_unsure_model_lowers_the_confidence_of_the_kind(postgres_server: PostgreSQL) -> None:
    model = ScriptedModel(answers({"kind": "certificate", "confidence": 0.5}), answers(CERTIFICATE))
    with a_desk(postgres_server, model) as desk:
        result = desk.work_through("certificate.pdf")
    assert (result["kind_confidence"], result["needs_review"]) == (0.5, True)


def test_a_value_that_is_not_a_number_is_a_finding_and_not_a_failure(postgres_server: PostgreSQL) -> None:
    words = pdf(["Certificate of Completion", "Awarded to: Ada Example", "Credits: several", "Course: Wound Care"])
    model = ScriptedModel(answers({"kind": "certificate"}), answers({}))
    with a_desk(postgres_server, model) as desk:
        result = result_of(desk.deliver(desk.hand_in(words, "certificate.pdf")))
    assert ("credits", "number", "several") in [
        (each["field"], each["rule"], each["value"]) for each in result["findings"]
    ]


def test_a_document_that_is_not_a_credential_gets_a_result_for_review(desk: Desk, stand_in: StandIn) -> None:
    letter = pdf(["Dear Sir or Madam,", "", "thank you for the parcel. It arrived in good time, and whole."])
    result = result_of(desk.deliver(desk.hand_in(letter, "letter.pdf")))
    assert (result["kind"], result["fields"], result["needs_review"]) == ("other", {}, True)
    assert desk.states() == {"42": "review_pending"}
    assert len(stand_in.calls()) == 1, "no second question is asked, because there are no fields"


# Stored once


def test_an_attempt_after_a_crash_that_followed_the_commit_changes_nothing(desk: Desk, stand_in: StandIn) -> None:
    key = desk.hand_in((DOCUMENTS / "certificate.pdf").read_bytes(), "certificate.pdf")
    before = desk.store.jobs[key]
    desk.deliver(key)
    rows = desk.results()
    desk.run("UPDATE documents SET status = 'accepted'")
    desk.store.jobs[key] = before  # the attempt left no trace but its rows in PostgreSQL
    assert desk.deliver(key).status is Status.COMPLETED
    assert (desk.results(), desk.states()) == (rows, {"42": "accepted"})
    assert len(stand_in.calls()) == 4


def test_nothing_is_stored_for_an_unknown_document(desk: Desk) -> None:
    key = desk.hand_in((DOCUMENTS / "certificate.pdf").read_bytes(), "certificate.pdf", row=False)
    job = desk.deliver(key)
    assert job.failure is not None
    assert (job.status, job.failure.code, job.failure.retryable) == (Status.FAILED, "document_unknown", False)
    assert (desk.states(), desk.results()) == ({}, [])


@pytest.mark.parametrize("subject", [None, "books/42"])
def test_a_job_without_a_document_fails_before_any_model_call(
    desk: Desk, stand_in: StandIn, subject: str | None
) -> None:
    key = desk.hand_in((DOCUMENTS / "certificate.pdf").read_bytes(), "certificate.pdf", subject=subject, row=False)
    job = desk.deliver(key)
    assert job.failure is not None
    assert (job.failure.code, stand_in.calls()) == ("subject_missing", [])


# The template


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Licence number: PT-0047193", "PT-0047193"),
        ("  licence NUMBER : PT-0047193  ", "PT-0047193"),
        ("License number; PT-0047193", "PT-0047193"),
        ("Licence number\nPT-0047193", "PT-0047193"),
        ("Licence number:\n\n  PT-0047193\nStatus: Active", "PT-0047193"),
        ("Your licence number is not PT-0047193", None),
        ("Licence numbers: PT-0047193", None),
    ],
)
def test_a_value_is_found_after_its_label_or_below_it(line: str, number: str | None) -> None:
    assert fields_by_labels(Licence, f"Board\n{line}")["number"] == number


@pytest.mark.parametrize(
    ("kind", "text", "field", "value"),
    [
        (Certificate, "Credits: 1,200.50 contact hours", "credits", 1200.5),
        (Certificate, "Credits: several", "credits", "several"),
        (Certificate, "Date of issue: 14th of March, 2026", "issued_on", "2026-03-14"),
        (Certificate, "Date of issue: 14 Mxrch 2026", "issued_on", "14 Mxrch 2026"),
        (Registration, "Registered on: 09.01.2024", "issued_on", "2024-01-09"),
    ],
)
def test_a_value_is_normalized_or_kept_as_read(kind: Any, text: str, field: str, value: object) -> None:
    assert fields_by_labels(kind, text)[field] == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("LICENCE TO\nPRACTISE\nLicence number: 1", "licence"),
        ("Registration card. Registration number: 4", "registration"),
        ("Certificate of attendance\nAwarded to: Ada", "certificate"),
        ("Certificate of registration. Registration number: 4", None),
        ("An invoice", None),
        ("", None),
    ],
)
def test_the_kind_with_the_most_marks_is_chosen(text: str, kind: str | None) -> None:
    assert kind_by_marks(text) == kind
