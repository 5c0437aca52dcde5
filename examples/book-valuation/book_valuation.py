"""Values antiquarian books: writes an appraisal, extracts its figures, and records the middle value in a database."""

from datetime import timedelta
from pathlib import Path

from analysis_jobs import Analysis, Between, Canary, Job, NotEmpty, Prompt, stage
from book_models import Appraisal, Book, Essay, Valued, described
from book_record import record_value

PROMPTS = Path(__file__).parent / "prompts"
# An inference profile for European Regions. Elsewhere, replace `eu.` with `us.`, `apac.` or `global.`.
APPRAISER = "eu.anthropic.claude-opus-4-5-20251101-v1:0"
CATEGORY = "Antiquarian book"


# This call is expensive. Once its answer is stored, neither a crash nor a deployment repeats it. It may take ten
# minutes, a whole invocation.
@stage(survives_deploys=True)
def analyse(job: Job[Book]) -> Essay:
    """Ask the model for an appraisal of the book, in words."""
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
    """Ask the model to extract the figures from the appraisal."""
    prompt = job.prompt(
        "book_valuation/extract",
        category=CATEGORY,
        default=Prompt.load(PROMPTS / "extract.toml"),
        analysis=job.output(analyse).text,
    )
    return job.ask(prompt, answer=Appraisal, max_tokens=3_000)


def record(job: Job[Book]) -> Valued:
    """Record the middle value and the appraisal in the catalogue. Repeated deliveries change nothing."""
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
    canaries=[
        Canary(
            input={
                "title": "Voyages upon the Lower Marren",
                "published": 1768,
                "condition": "Very good, the folding map with a closed tear",
                "last_valuation": "EUR 1,800 to EUR 2,650 (2021, for insurance)",
            },
            expect={"title": NotEmpty(), "market_analysis.valuation.high": Between(low=1)},
            max_cost_usd=0.50,
        )
    ],
)
