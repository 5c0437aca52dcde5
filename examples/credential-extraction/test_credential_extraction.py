"""Tests of the credential extraction. They need neither an AWS account nor a model, but an installed PostgreSQL server.

The documents are read by the real reader: the scans and the photograph by OCR.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from analysis_jobs.testing import Jobs, TestDatabase
from credential_extraction import Classification, credential_extraction
from credential_template import fields_by_labels, kind_by_marks
from credential_types import Certificate, Licence, Registration

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
SUBJECT = "documents/42"
STATES = "SELECT id, status FROM documents"
ROWS = "SELECT document_id, kind, fields, findings, needs_review FROM extraction_results"


@pytest.fixture
def database(jobs: Jobs) -> TestDatabase:
    """Return a database with one uploaded document, on the day on which the example's documents are current."""
    jobs.clock.set(datetime(2026, 11, 22, 12, tzinfo=UTC))
    database = jobs.database("DATABASE_SECRET")
    database.execute("INSERT INTO documents (tenant, id) VALUES ('acme', '42')")
    return database


def rules(findings: Any) -> list[tuple[str, Any, str]]:
    """Return the field, the value and the rule of each finding."""
    return [(each.field, each.value, each.rule) for each in findings]


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
    jobs: Jobs, database: TestDatabase, document: str, read_by: str, kind: str, fields: dict[str, Any]
) -> None:
    jobs.answer("classify", {"kind": kind})
    jobs.answer("extract", fields)
    done = jobs.run(credential_extraction, {"document": document}, subject=SUBJECT)
    assert done.stages == ("read", "classify", "extract", "validate", "store")
    assert (done.result.read_by, done.result.fields, done.findings) == ([read_by], fields, [])
    assert database.query(STATES) == [{"id": "42", "status": "review_pending"}]
    assert database.query(ROWS) == [
        {"document_id": "42", "kind": kind, "fields": fields, "findings": [], "needs_review": False}
    ]


def test_a_value_read_by_ocr_has_a_lower_confidence_than_one_from_the_text_layer(
    jobs: Jobs, database: TestDatabase
) -> None:
    jobs.answer(Classification, {"kind": "certificate"})
    jobs.answer("extract", CERTIFICATE, SCANNED_CERTIFICATE)
    printed, scanned = (
        jobs.run(credential_extraction, {"document": document}, subject=SUBJECT).result.confidence
        for document in ("certificate.pdf", "certificate-scan.pdf")
    )
    assert printed.keys() == scanned.keys() == {"kind", *CERTIFICATE}
    assert all(0.8 < scanned[field] < printed[field] for field in CERTIFICATE)
    assert len(database.query(ROWS)) == 2


def test_an_impossible_value_is_a_finding_and_is_still_stored(jobs: Jobs, database: TestDatabase) -> None:
    jobs.answer("classify", {"kind": "certificate"})
    jobs.answer("extract", {})
    done = jobs.run(credential_extraction, {"document": "certificate-wrong.pdf"}, subject=SUBJECT)
    assert rules(done.findings) == [
        ("credits", 480, "maximum"),
        ("expires_on", "2024-05-19", "after"),
        ("number", "CE-77", "pattern"),
    ]
    [row] = database.query(ROWS)
    assert (row["findings"], row["needs_review"]) == (done.json["findings"], True)


def test_a_disagreement_of_template_and_model_reports_both_values(jobs: Jobs, database: TestDatabase) -> None:
    jobs.answer("classify", {"kind": "licence", "confidence": 0.9})
    jobs.answer("extract", {**CERTIFICATE, "number": "CE-204871", "course": None})
    done = jobs.run(credential_extraction, {"document": "certificate.pdf"}, subject=SUBJECT)
    assert rules(done.findings) == [
        ("kind", {"template": "certificate", "model": "licence"}, "sources_disagree"),
        ("number", {"template": "CE-204817", "model": "CE-204871"}, "sources_disagree"),
    ]
    assert done.result.fields == CERTIFICATE, "the template's number, and its course because the model has none"
    sure = done.result.confidence
    assert sure["number"] < sure["course"] < sure["holder"]
    [row] = database.query(ROWS)
    assert row["needs_review"]


@pytest.mark.usefixtures("database")
def test_an_unsure_model_lowers_the_confidence_of_the_kind(jobs: Jobs) -> None:
    jobs.answer("classify", {"kind": "certificate", "confidence": 0.5})
    jobs.answer("extract", CERTIFICATE)
    done = jobs.run(credential_extraction, {"document": "certificate.pdf"}, subject=SUBJECT)
    assert (done.result.kind_confidence, done.result.needs_review) == (0.5, True)


@pytest.mark.usefixtures("database")
def test_a_value_that_is_not_a_number_is_a_finding_and_not_a_failure(jobs: Jobs) -> None:
    words = b"Certificate of Completion\nAwarded to: Ada Example\nCredits: several\nCourse: Wound Care\n"
    jobs.answer("classify", {"kind": "certificate"})
    jobs.answer("extract", {})
    done = jobs.run(credential_extraction, {"document": jobs.upload("certificate.txt", words)}, subject=SUBJECT)
    assert ("credits", "several", "number") in rules(done.findings)


def test_a_document_that_is_not_a_credential_gets_a_result_for_review(jobs: Jobs, database: TestDatabase) -> None:
    letter = jobs.upload("letter.txt", b"Dear Sir or Madam, thank you for the parcel.")
    jobs.answer("classify", {"kind": "other"})
    done = jobs.run(credential_extraction, {"document": letter}, subject=SUBJECT)
    assert (done.result.kind, done.result.fields, done.result.needs_review) == ("other", {}, True)
    assert [question.stage for question in done.questions] == ["classify"], "there are no fields to ask for"
    assert database.query(STATES) == [{"id": "42", "status": "review_pending"}]


def test_a_crash_after_the_commit_does_not_store_again(jobs: Jobs, database: TestDatabase) -> None:
    jobs.answer("classify", {"kind": "certificate"})
    jobs.answer("extract", CERTIFICATE)
    jobs.crash_after("store")
    job = jobs.submit(credential_extraction, {"document": "certificate.pdf"}, subject=SUBJECT)
    jobs.run_due()
    assert (job.status, len(database.query(ROWS))) == ("processing", 1)
    database.execute("UPDATE documents SET status = 'accepted'")  # a reviewer is faster than the next attempt
    done = jobs.finish(job)
    assert (done.attempts, len(database.query(ROWS))) == (2, 1)
    assert database.query(STATES) == [{"id": "42", "status": "accepted"}]


def test_nothing_is_stored_for_an_unknown_document(jobs: Jobs, database: TestDatabase) -> None:
    jobs.answer("classify", {"kind": "certificate"})
    jobs.answer("extract", CERTIFICATE)
    failed = jobs.run(credential_extraction, {"document": "certificate.pdf"}, subject="documents/43", check=False)
    assert failed.error is not None
    assert (failed.error.code, failed.error.retryable) == ("document_unknown", False)
    assert database.query(ROWS) == []


@pytest.mark.parametrize("given", [{}, {"subject": "books/42"}])
def test_a_job_without_a_document_fails_before_any_model_call(jobs: Jobs, given: dict[str, str]) -> None:
    failed = jobs.run(credential_extraction, {"document": "certificate.pdf"}, check=False, **given)
    assert failed.error is not None
    assert (failed.error.code, failed.questions) == ("subject_missing", [])


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
