"""A support ticket is assigned to a team."""

from typing import Literal

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Job, fill_prompt


class Ticket(BaseModel):
    """The request: what the customer wrote."""

    text: str = Field(min_length=1, max_length=20_000)


class Triage(BaseModel):
    """The result."""

    team: Literal["account", "billing", "technical"] = Field(description="Team that answers the ticket.")
    urgency: Literal["low", "normal", "high"] = Field(description="How soon the customer needs an answer.")
    summary: str = Field(description="The ticket in one sentence.")


def triage(job: Job[Ticket]) -> Triage:
    """Ask the model for the team and the urgency."""
    prompt = fill_prompt("Assign this support ticket.\n<ticket>\n{text}\n</ticket>", text=job.request.text)
    return job.ask(prompt, answer=Triage)


ticket_triage = Analysis("ticket-triage", request=Ticket, result=Triage, stages=[triage])
