"""A support ticket is assigned to a team."""

from typing import Literal

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Canary, Document, Job, NotEmpty, OneOf, fill_prompt

PROMPT = """Assign this support ticket.
<ticket>
{text}
</ticket>
<attachment>
{attachment}
</attachment>"""


class Ticket(BaseModel):
    """The request: what the customer wrote, and what was attached."""

    text: str = Field(min_length=1, max_length=20_000)
    attachment: Document | None = None


class Triage(BaseModel):
    """The result."""

    team: Literal["account", "billing", "technical"] = Field(description="Team that answers the ticket.")
    urgency: Literal["low", "normal", "high"] = Field(description="How soon the customer needs an answer.")
    summary: str = Field(description="The ticket in one sentence.")


def triage(job: Job[Ticket]) -> Triage:
    """Ask the model for the team and the urgency."""
    attached = job.text(job.request.attachment) if job.request.attachment else ""
    prompt = fill_prompt(PROMPT, text=job.request.text, attachment=attached)
    return job.ask(prompt, answer=Triage)


ticket_triage = Analysis(
    "ticket-triage",
    request=Ticket,
    result=Triage,
    stages=[triage],
    mostly_waits=True,
    canaries=[
        Canary(
            input={"text": "I was charged twice this month. Please refund one of the payments."},
            expect={"team": OneOf(["account", "billing", "technical"]), "summary": NotEmpty()},
            max_cost_usd=0.05,
        )
    ],
)
