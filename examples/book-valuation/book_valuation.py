"""Antiquarian books: a long appraisal in words, the figures in it, and the catalogue's row with the mid value."""

from datetime import timedelta
from pathlib import Path

from analysis_jobs import Analysis, Job, Prompt, stage
from book_models import Appraisal, Book, Essay, Valued, described
from book_record import record_value

PROMPTS = Path(__file__).parent / "prompts"
# A profile of the Region's own geography: elsewhere `us.`, `apac.` or `global.` in its place.
APPRAISER = "eu.anthropic.claude-opus-4-5-20251101-v1:0"
CATEGORY = "Antiquarian book"


# Paid once: neither a killed worker nor a deploy lets it be asked again. Ten minutes are a whole invocation.
@stage(survives_deploys=True)
def analyse(job: Job[Book]) -> Essay:
    """Have the book appraised, in as many words as it takes."""
    entry = job.text(job.request.document) if job.request.document else ""
    prompt = job.prompt(
        "book_valuation/analyse",
        category=CATEGORY,
        default=Prompt.load(PROMPTS / "analyse.toml"),
        book=described(job.request, entry),
    )
    return Essay(text=job.ask(prompt, model_id=APPRAISER, max_tokens=8_000))


@stage(needs=timedelta(minutes=2))
def extract(job: Job[Book]) -> Appraisal:
    """Have the figures read out of the appraisal."""
    prompt = job.prompt(
        "book_valuation/extract",
        category=CATEGORY,
        default=Prompt.load(PROMPTS / "extract.toml"),
        analysis=job.output(analyse).text,
    )
    return job.ask(prompt, answer=Appraisal, max_tokens=3_000)


def record(job: Job[Book]) -> Valued:
    """Give the catalogue the mid value, with the appraisal that says why: once, whatever is delivered again."""
    valued = Valued.of(job.output(extract))
    record_value(job, valued, job.output(analyse).text)
    return valued


book_valuation = Analysis(
    "book-valuation",
    request=Book,
    result=Valued,
    stages=[analyse, extract, record],
    max_attempts=3,
    estimated_time=timedelta(minutes=6),
    submit_route="POST /books/{id}/analysis/generate-async",
    status_route="GET /books/{id}/analysis/status",
    subject="books/{id}",
)
