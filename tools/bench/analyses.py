"""The analyses of the benchmarks."""

from pydantic import BaseModel

from analysis_jobs import Analysis, Job


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


def nothing(_: Job[Work]) -> Answer:
    """Answer at once."""
    return Answer(text="done")


waiting = Analysis("waiting", request=Work, result=Answer, stages=[ask], mostly_waits=True)
reading = Analysis("reading", request=Work, result=Answer, stages=[read], mostly_waits=True)
trivial = Analysis("trivial", request=Work, result=Answer, stages=[nothing])
