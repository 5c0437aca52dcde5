"""Analyses for the tests of the clients. They ask no model."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field

from analysis_jobs import Admission, Analysis, Document, Fail, Job, NewItems, Rate, Trigger


class Greeting(BaseModel):
    """The request. With `letters`, the result is as long."""

    name: str = Field(min_length=1)
    letter: Document | None = None
    letters: int = 0


class Greeted(BaseModel):
    """The result."""

    text: str


def greet(job: Job[Greeting]) -> Greeted:
    """Greet, and save the greeting as a file."""
    if job.request.name == "Nobody":
        raise Fail("nobody", "there is nobody to greet")
    letter = f" {job.text(job.request.letter)}" if job.request.letter else ""
    job.save_file("greeting.txt", f"Hello {job.request.name}{letter}".encode(), "text/plain")
    return Greeted(text=f"Hello {job.request.name}{letter}" + "!" * job.request.letters)


def _no_new_items(_request: Any, _since: Any) -> int:
    return 0


greeting = Analysis("greeting", request=Greeting, result=Greeted, stages=[greet])
rare = Analysis(
    "rare",
    request=Greeting,
    result=Greeted,
    stages=[greet],
    subject="people/{name}",
    admission=Admission(one_active=False, at_most=Rate(1, timedelta(hours=1))),
)
skipped = Analysis(
    "skipped",
    request=Greeting,
    result=Greeted,
    stages=[greet],
    subject="people/{name}",
    admission=Admission(),
    triggers={"now": Trigger(), "new": Trigger(new_items=NewItems(1, _no_new_items))},
)
