"""Extracts the fields of certificates, licences and registrations, checks them, and stores them for review."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Canary, Document, Fail, Job, NotEmpty, Prompt, Reading, RenderedPrompt
from analysis_jobs.extraction import Agreed, Checked, Finding, agreed, review
from credential_store import store_for_review
from credential_template import fields_by_labels, in_one_form, kind_by_marks
from credential_types import KINDS, Other

PROMPTS = Path(__file__).parent / "prompts"
CATEGORY = "credentials"


class Credential(BaseModel):
    """The request: an uploaded PDF, scan or photograph. The job's subject `documents/{id}` names its database row."""

    document: Document


class Classification(BaseModel):
    """What kind of credential a document is."""

    kind: Literal["certificate", "licence", "registration", "other"] = Field(
        description="The kind of credential: certificate of a course, licence to practise, registration, or other."
    )
    confidence: float | None = Field(default=None, ge=0, le=1, description="How sure you are of the kind, 0 to 1.")


class Extraction(BaseModel):
    """The result: the extracted fields and their review. `read_by` has for each page `text` (text layer) or `ocr`."""

    read_by: list[str]
    kind: str
    kind_confidence: float
    fields: dict[str, Any]
    findings: list[Finding]
    confidence: dict[str, float]
    needs_review: bool
    status: str = "review_pending"


def read(job: Job[Credential]) -> Reading:
    """Read each page's text layer, or use OCR for a page without one."""
    if not (job.subject or "").startswith("documents/"):
        raise Fail("subject_missing", "give the subject documents/{id}: it names the row to store the result for")
    return job.read(job.request.document)


def classify(job: Job[Credential]) -> Agreed:
    """Find the kind of the document, by typical phrases and by the model."""
    reading: Reading = job.output(read)
    answer = job.ask(_prompt(job, "classify", document=reading.text), answer=Classification)
    settled = agreed({"kind": kind_by_marks(reading.text)}, {"kind": answer.kind}, reading=_quality(reading))
    if answer.confidence is not None:
        settled.confidence["kind"] = min(settled.confidence["kind"], answer.confidence)
    return settled


def extract(job: Job[Credential]) -> Agreed:
    """Extract the fields of that kind, by the template and by the model."""
    reading: Reading = job.output(read)
    kind = KINDS.get(job.output(classify).values["kind"], Other)
    if kind is Other:
        return Agreed(values={}, confidence={}, findings=[])
    answer = job.ask(_prompt(job, "extract", document=reading.text), answer=kind)
    by_model = in_one_form(kind, answer.model_dump())
    return agreed(fields_by_labels(kind, reading.text), by_model, reading=_quality(reading))


def validate(job: Job[Credential]) -> Checked:
    """Check dates, credits and numbers. The review's date is the day of submission, so all attempts agree."""
    classified: Agreed = job.output(classify)
    fields: Agreed = job.output(extract)
    kind = KINDS.get(classified.values["kind"], Other)
    return review(
        kind.model_construct(**fields.values),  # without validation, to keep values that the schema would refuse
        today=job.submitted_at.date(),
        confidence={**classified.confidence, **fields.confidence},
        also=[*classified.findings, *fields.findings],
    )


def store(job: Job[Credential]) -> Extraction:
    """Insert the result and set the document to `review_pending`, in one transaction. Has an effect once per job."""
    classified: Agreed = job.output(classify)
    checked: Checked = job.output(validate)
    kind = classified.values["kind"]
    extraction = Extraction(
        read_by=[page.source for page in job.output(read).pages],
        kind=kind,
        kind_confidence=classified.confidence["kind"],
        fields=job.output(extract).values,
        findings=checked.findings,
        confidence=checked.confidence,
        needs_review=checked.needs_review or kind not in KINDS,
    )
    store_for_review(job, extraction)
    return extraction


def _prompt(job: Job[Credential], step: str, **values: str) -> RenderedPrompt:
    return job.prompt(f"credentials/{step}", category=CATEGORY, default=Prompt.load(PROMPTS / f"{step}.toml"), **values)


def _quality(reading: Reading) -> float | None:
    """Return the lowest confidence of all pages with text, 0 to 1. None if no page has text."""
    return min((page.confidence for page in reading.pages if page.text.strip()), default=None)


credential_extraction = Analysis(
    "credential-extraction",
    request=Credential,
    result=Extraction,
    stages=[read, classify, extract, validate, store],
    submit_route="POST /documents/{id}/extract",
    status_route="GET /documents/{id}/extraction",
    subject="documents/{id}",
    canaries=[
        Canary(
            documents={"document": "documents/certificate.pdf"},
            expect={"kind": "certificate", "read_by.*": NotEmpty(), "fields": NotEmpty()},
            subject="documents/canary",
            max_cost_usd=0.20,
        )
    ],
)
