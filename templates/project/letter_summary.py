"""A letter becomes a summary for the person who answers it."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Canary, Document, Job, NotEmpty, OneOf, Prompt

PROMPT = Prompt.load(Path(__file__).parent / "prompts" / "letter-summary.toml")


class Letter(BaseModel):
    """The request: an uploaded letter, as PDF, Word file or plain text."""

    document: Document


class Summary(BaseModel):
    """The result."""

    sender: str | None = Field(default=None, description="Name of the person or company that wrote the letter.")
    summary: str = Field(description="The letter in two sentences.")
    kind: Literal["contract", "invoice", "complaint", "other"] = Field(description="What kind of letter it is.")
    reply_by: date | None = Field(default=None, description="Date by which a reply is due.")


def summarise(job: Job[Letter]) -> Summary:
    """Read the letter, and ask the model for the summary."""
    text = job.text(job.request.document)
    prompt = job.prompt("letter-summary/summarise", category="letters", default=PROMPT, letter=text)
    return job.ask(prompt, answer=Summary)


letter_summary = Analysis(
    "letter-summary",
    request=Letter,
    result=Summary,
    stages=[summarise],
    mostly_waits=True,
    canaries=[
        # A deployment runs this job on new code, before callers reach it.
        Canary(
            documents={"document": "documents/letter.txt"},
            expect={"summary": NotEmpty(), "kind": OneOf(["contract", "invoice", "complaint", "other"])},
            max_cost_usd=0.10,
        )
    ],
)
