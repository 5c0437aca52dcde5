"""Reads a request for proposals, and returns a summary and its data for a grant proposal."""

from pathlib import Path

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Canary, Document, Job, Matches, NotEmpty, Prompt

DEFAULT_PROMPT = Path(__file__).parent / "prompts" / "proposal-writer-step-1.toml"


class Rfp(BaseModel):
    """The request: an uploaded document, as PDF, Word file or plain text."""

    document: Document


class ExtractedData(BaseModel):
    """What a grant writer must know before writing."""

    title: str = Field(description="The name of the programme or call.")
    issuer: str = Field(description="The organisation that issues the call.")
    reference: str | None = Field(default=None, description="The call's reference number.")
    deadline: str | None = Field(default=None, description="The date by which proposals are due, as YYYY-MM-DD.")
    total_budget: float | None = Field(default=None, description="The total funding available.")
    maximum_award: float | None = Field(default=None, description="The maximum award to one applicant.")
    currency: str | None = Field(default=None, description="The currency of the budget, as an ISO 4217 code.")
    project_duration: str | None = Field(default=None, description="How long a project may last.")
    eligibility: list[str] = Field(default=[], description="Who may apply: the eligible applicants.")
    required_documents: list[str] = Field(default=[], description="The required documents of a proposal.")
    evaluation_criteria: list[str] = Field(default=[], description="The evaluation criteria, with their weights.")
    contact: str | None = Field(default=None, description="The e-mail address for questions.")


class Brief(BaseModel):
    """A brief of a request for proposals."""

    summary: str = Field(description="A summary of the call in three sentences.")
    extracted_data: ExtractedData


def brief(job: Job[Rfp]) -> Brief:
    """Read the document, and ask the model for the brief."""
    text = job.text(job.request.document)
    job.progress(10)
    prompt = job.prompt(
        "proposal_writer/step-1",
        category="RFP / Call for Proposals",
        default=Prompt.load(DEFAULT_PROMPT),
        rfp_text=text,
    )
    return job.ask(prompt, answer=Brief)


rfp_analysis = Analysis(
    "rfp-analysis",
    request=Rfp,
    result=Brief,
    stages=[brief],
    submit_route="POST /proposals/{id}/analyze-rfp",
    status_route="GET /proposals/{id}/analysis-status",
    subject="proposals/{id}",
    canaries=[
        Canary(
            documents={"document": "documents/coastal-road-resilience.pdf"},
            expect={"summary": NotEmpty(), "extracted_data.title": Matches("(?i)coastal road")},
            max_cost_usd=0.20,
        )
    ],
)
