"""The analyses that the fault tests run: two short stages, five long stages, and one stage with five items."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import stage

LONG_STAGE = timedelta(seconds=3.5)
NOTES = 14


class Lot(BaseModel):
    """A lot of an auction. Every prompt contains its number, so that a test can script the model for one job."""

    number: int


class Draft(BaseModel):
    """The output of the first stage."""

    text: str


class Estimate(BaseModel):
    """The structured answer of the model."""

    summary: str


class Valuation(BaseModel):
    """The result, with the attempt that made it."""

    summary: str
    attempt: int


class Parts(BaseModel):
    """The result of the long analyses."""

    parts: list[str]


def prompt(number: int, part: str) -> str:
    """Return a prompt. A scenario of the stand-in matches it by `[number/part]`."""
    text = f"Lot {number}: a first edition, bound in calf, with the bookplate of its first owner. " * 3
    return f"[{number}/{part}] Value this.\n<document>\nTitle: Lot {number}\nSummary: {text}\n</document>"


def draft(job: Job[Lot]) -> Draft:
    """Ask for free text. One lot in ten has so many checkpoints that they move into a list in the bucket."""
    for number in range(NOTES if job.request.number % 10 == 7 else 0):
        if job.saved(f"note-{number}") is None:
            job.checkpoint(f"note-{number}", f"note {number} of lot {job.request.number}")
    return Draft(text=job.ask(prompt(job.request.number, "draft"), max_tokens=500))


def estimate(job: Job[Lot]) -> Valuation:
    """Ask for a structured answer."""
    answer = job.ask(prompt(job.request.number, "estimate"), answer=Estimate, max_tokens=500)
    return Valuation(summary=answer.summary, attempt=job.attempt)


def _long_stage(number: int, *, last: bool) -> Callable[[Job[Lot]], Any]:
    def run(job: Job[Lot]) -> BaseModel:
        text = job.ask(prompt(job.request.number, f"part {number}"), max_tokens=500)
        return Parts(parts=[text] * 5) if last else Draft(text=text)

    run.__name__ = f"part_{number}"
    return stage(needs=LONG_STAGE)(run)


def pages(job: Job[Lot]) -> Parts:
    """Ask about each of five pages."""

    def page(number: int) -> str:
        return job.ask(prompt(job.request.number, f"page {number}"), max_tokens=500)

    return Parts(parts=job.each(range(1, 6), page, needs=LONG_STAGE))


valuation = Analysis(
    "valuation",
    request=Lot,
    result=Valuation,
    stages=[draft, estimate],
    model_id="anthropic.claude-3-haiku-20240307-v1:0",
    estimated_time=timedelta(seconds=2),
)
five_stages = Analysis(
    "five-stages",
    request=Lot,
    result=Parts,
    stages=[_long_stage(number, last=number == 5) for number in range(1, 6)],
    model_id=valuation.model_id,
    estimated_time=valuation.estimated_time,
)
five_pages = Analysis(
    "five-pages",
    request=Lot,
    result=Parts,
    stages=[pages],
    model_id=valuation.model_id,
    estimated_time=valuation.estimated_time,
)
