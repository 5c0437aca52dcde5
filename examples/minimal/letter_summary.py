"""A letter becomes a summary for the person who answers it."""

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Canary, Document, Job, NotEmpty, fill_prompt


class Letter(BaseModel):
    """The request: an uploaded letter, as PDF or plain text."""

    letter: Document


class Summary(BaseModel):
    """The result."""

    sender: str | None = Field(default=None, description="Name of the person or company that wrote the letter.")
    summary: str = Field(description="The letter in two sentences.")
    reply_by: str | None = Field(default=None, description="Date by which a reply is due, as YYYY-MM-DD.")


def summarise(job: Job[Letter]) -> Summary:
    """Read the letter and ask the model for the summary."""
    text = job.text(job.request.letter)
    template = "Summarise this letter for the person who answers it.\n<letter>\n{text}\n</letter>"
    return job.ask(fill_prompt(template, text=text), answer=Summary)


letter_summary = Analysis(
    "letter-summary",
    request=Letter,
    result=Summary,
    stages=[summarise],
    mostly_waits=True,
    canaries=[Canary(documents={"letter": "documents/allotment-lease.pdf"}, expect={"summary": NotEmpty()})],
)
