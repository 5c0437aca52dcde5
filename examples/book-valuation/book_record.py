"""Writes the book's value and the analysis behind it to the catalogue's database, in one transaction."""

from typing import Any

from analysis_jobs import Job
from book_models import Valued


def record_value(job: Job[Any], valued: Valued, analysis: str) -> None:
    """Set the value of the book in the job's subject, and insert the analysis. Has an effect only once per job."""
    book = (job.subject or "").removeprefix("books/")
    valuation = valued.market_analysis.valuation
    with job.database("DATABASE_SECRET").once(job, effect="record") as cursor:
        if cursor is None or job.is_canary:  # an earlier attempt did it, or there is no such book
            return
        cursor.execute(
            "INSERT INTO books (tenant, id, title, value_mid, currency, valued_at) VALUES (%s, %s, %s, %s, %s, now())"
            " ON CONFLICT (tenant, id) DO UPDATE SET value_mid = excluded.value_mid, currency = excluded.currency,"
            " valued_at = excluded.valued_at",
            (job.tenant, book, valued.title, valued.value_mid, valuation.currency),
        )
        cursor.execute(
            "INSERT INTO book_analyses (job_id, tenant, book_id, value_low, value_high, result, analysis)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (job.job_id, job.tenant, book, valuation.low, valuation.high, valued.model_dump_json(), analysis),
        )
