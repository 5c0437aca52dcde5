"""The analyses of the benchmarks."""

import os

from pydantic import BaseModel

from analysis_jobs import Analysis, Attachment, Job

ATTACHED_BYTES = 1_000_000


class Work(BaseModel):
    """The request: how many checkpoints the work has, and a text that makes the input larger."""

    parts: int = 0
    padding: str = ""


class Answer(BaseModel):
    """The result."""

    text: str


def ask(job: Job[Work]) -> Answer:
    """Save a checkpoint for each part, then ask a model once."""
    for number in range(job.request.parts):
        job.checkpoint(f"part-{number}", number)
    return Answer(text=job.ask("What is it worth?"))


def read(job: Job[Work]) -> Answer:
    """Ask a model about the whole text."""
    return Answer(text=job.ask(f"What does this text say?\n{job.request.padding}"))


def attach(job: Job[Work]) -> Answer:
    """Ask a model about a PDF of 1 MB."""
    document = Attachment(b"%PDF-1.4\n" + os.urandom(ATTACHED_BYTES), "application/pdf", "document.pdf")
    return Answer(text=job.ask("What does this document say?", attachments=[document]))


def nothing(_: Job[Work]) -> Answer:
    """Answer at once."""
    return Answer(text="done")


waiting = Analysis("waiting", request=Work, result=Answer, stages=[ask], mostly_waits=True)
reading = Analysis("reading", request=Work, result=Answer, stages=[read], mostly_waits=True)
attaching = Analysis("attaching", request=Work, result=Answer, stages=[attach], mostly_waits=True)
trivial = Analysis("trivial", request=Work, result=Answer, stages=[nothing])
