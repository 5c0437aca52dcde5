"""Interprets a user's chat messages: traits, interests and communication style, each with a confidence."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, field_validator

from analysis_jobs import Admission, Analysis, Canary, Job, NewItems, NotEmpty, Prompt, Rate, Tiers, Trigger

DEFAULT_PROMPT = Path(__file__).parent / "prompts" / "profile-interpretation.toml"
ENOUGH_MESSAGES = 10

type Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
type Confidence = Annotated[float, Field(ge=0, le=1, description="How sure this is, from 0 to 1.")]


class Message(BaseModel):
    """One message of the user."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    sent_at: AwareDatetime
    off_the_record: bool = False


class Chat(BaseModel):
    """The request. Messages off the record are removed here: they are not counted, stored or sent to the model."""

    user_id: Name
    context: Name
    tier: Literal["premium", "standard"] = "standard"
    messages: Annotated[list[Message], Field(max_length=2_000)]

    @field_validator("messages")
    @classmethod
    def _on_the_record(cls, messages: list[Message]) -> list[Message]:
        return [message for message in messages if not message.off_the_record]


class Finding(BaseModel):
    """Something that the messages show."""

    name: str = Field(description="A word or two.")
    evidence: str = Field(description="What in the messages shows it.")
    confidence: Confidence


class Interpretation(BaseModel):
    """What the messages tell about the user."""

    traits: list[Finding] = Field(description="Traits of character.")
    interests: list[Finding] = Field(description="What the user is interested in.")
    communication_style: str = Field(description="How the user writes, in one sentence.")
    confidence: Confidence


class Profile(BaseModel):
    """The result. It may have a low confidence, or `insufficient_data` if there are too few messages."""

    status: Literal["complete", "insufficient_data"]
    messages_read: int
    interpretation: Interpretation | None = None


def interpret(job: Job[Chat]) -> Profile:
    """Interpret the messages, if there are enough of them."""
    messages = job.request.messages
    if len(messages) < ENOUGH_MESSAGES:
        job.finish(Profile(status="insufficient_data", messages_read=len(messages)))
    prompt = job.prompt(
        "profile_interpretation/interpret",
        category="chat",
        default=Prompt.load(DEFAULT_PROMPT),
        context=job.request.context,
        messages="\n".join(map(_quoted, messages)),
    )
    found = job.ask(prompt, answer=Interpretation)
    return Profile(status="complete", messages_read=len(messages), interpretation=found)


def _quoted(message: Message) -> str:
    """Return a message as one line of JSON, with `<` escaped so that its text cannot close the prompt's XML element."""
    fields = {"sent_at": message.sent_at.isoformat(), "text": message.text}
    return json.dumps(fields, ensure_ascii=False).replace("<", "\\u003c")


def new_messages(chat: Chat, since: datetime | None) -> int:
    """Count the messages since the last analysis."""
    return sum(since is None or message.sent_at > since for message in chat.messages)


profile_interpretation = Analysis(
    "profile-interpretation",
    request=Chat,
    result=Profile,
    stages=[interpret],
    max_attempts=3,
    estimated_time=timedelta(seconds=30),
    mostly_waits=True,
    subject="users/{user_id}/{context}",
    submit_route="POST /api/profile/analyze",
    status_route="GET /api/profile/{user_id}/{context}/status",
    admission=Admission(
        one_active=True,
        fresh_for=timedelta(hours=1),
        at_most=Rate(1, per=timedelta(hours=1), of="users/{user_id}"),
    ),
    triggers={
        "messages": Trigger(priority="low", new_items=NewItems(at_least=5, count=new_messages)),
        "view": Trigger(priority="medium"),
        "manual": Trigger(priority="high", skips_freshness=True),
    },
    tiers=Tiers(order=("premium", "standard"), of="tier"),
    canaries=[
        Canary(
            input={
                "user_id": "canary",
                "context": "onboarding",
                "messages": [
                    {"text": f"how do i print page {page}, i do this every day", "sent_at": "2026-11-18T17:30:00Z"}
                    for page in range(ENOUGH_MESSAGES)
                ],
            },
            expect={
                "status": "complete",
                "messages_read": ENOUGH_MESSAGES,
                "interpretation.communication_style": NotEmpty(),
            },
            max_cost_usd=0.10,
        )
    ],
)
