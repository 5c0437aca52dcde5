"""The RFP analysis end to end: a real PDF through the three handlers, with the stand-in as the model."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.base.usage import Usage
from analysis_jobs_dev.cloud.stand_in import StandIn
from rfp_analysis import ExtractedData
from tests.handlers.deployment import MODEL_ID, Deployment, deployed
from tests.handlers.events import call
from tests.handlers.pdfs import COASTAL, RIVERSIDE


def _items(document: Path, heading: str) -> list[str]:
    """Return the list items below a heading in the source text of a document."""
    section = document.with_suffix(".txt").read_text(encoding="utf-8").split(heading)[1].split("\n#")[0]
    return re.findall(r"^- (.+)$", section, re.MULTILINE)


HERITAGE = ExtractedData(
    title="Digital Heritage Access Programme 2027",
    issuer="Riverside Foundation for Libraries and Archives",
    reference="DHA-2027-014",
    deadline="2027-01-29",
    total_budget=1_200_000,
    maximum_award=150_000,
    currency="EUR",
    project_duration="12 to 24 months",
    eligibility=_items(RIVERSIDE, "Eligible applicants"),
    required_documents=_items(RIVERSIDE, "Required documents"),
    evaluation_criteria=_items(RIVERSIDE, "Evaluation criteria"),
    contact="grants@riverside-foundation.example",
)
ROADS = ExtractedData(
    title="Coastal Road Resilience Grants",
    issuer="Northern Shore Transport Authority",
    reference="CRR-26-003",
    deadline="2027-03-12",
    total_budget=8_500_000,
    maximum_award=2_000_000,
    currency="USD",
    project_duration="18 to 36 months",
    eligibility=_items(COASTAL, "Who may apply"),
    required_documents=_items(COASTAL, "Required documents"),
    evaluation_criteria=_items(COASTAL, "Evaluation criteria"),
    contact="resilience@northern-shore-transport.example",
)


@pytest.fixture(scope="module")
def stack(server: StandIn) -> Iterator[Deployment]:
    with deployed(server.url) as stack:
        yield stack


def _submit(stack: Deployment, content: bytes, name: str = "rfp.pdf", proposal: str = "42") -> str:
    wanted = {"filename": name, "content_type": "application/pdf", "size": max(1, len(content))}
    upload = call("POST", "/uploads", wanted).json
    stack.upload(upload["upload"]["fields"], content)
    answer = call("POST", f"/proposals/{proposal}/analyze-rfp", {"document": upload["document"]})
    assert answer.status == 202
    return str(answer.json["job_id"])


def _status(job_id: str) -> Any:
    return call("GET", f"/jobs/{job_id}").json


def _done(stack: Deployment, document: Path) -> Any:
    job_id = _submit(stack, document.read_bytes(), document.name)
    assert stack.work() == []
    job = _status(job_id)
    assert job["status"] == "completed", job["error"]
    return job


@pytest.mark.parametrize(("document", "stated"), [(RIVERSIDE, HERITAGE), (COASTAL, ROADS)], ids=["heritage", "roads"])
def test_a_document_becomes_a_brief_with_its_facts(
    stack: Deployment, stand_in: StandIn, document: Path, stated: ExtractedData
) -> None:
    job = _done(stack, document)
    assert job["result"]["extracted_data"] == stated.model_dump(mode="json")
    assert stated.title in job["result"]["summary"]
    [asked] = stand_in.calls()
    origin = {"analysis": "rfp-analysis", "stage": "brief", "job_id": job["job_id"]}
    assert (asked["model"], asked["metadata"], asked["outcome"]) == (MODEL_ID, origin, "ok")


def test_the_status_shows_progress_usage_and_times(stack: Deployment, stand_in: StandIn) -> None:
    job = _done(stack, RIVERSIDE)
    [asked] = stand_in.calls()
    usage = asdict(Usage(1, asked["input_tokens"], asked["output_tokens"]))
    assert (job["usage"], job["models"]) == (usage, {MODEL_ID: usage})
    assert 0 < job["cost_usd"] < 0.1
    assert (job["progress"], job["attempt"], job["stages_completed"], job["stage"]) == (100, 1, ["brief"], None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert [step["transition"] for step in job["history"]] == ["submit", "claim", "complete"]
    assert call("GET", "/proposals/42/analysis-status").json == job
