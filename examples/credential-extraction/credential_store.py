"""Stores the extraction and the document's status in PostgreSQL, in one transaction."""

import json
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Fail, Job


def store_for_review(job: Job[Any], extraction: BaseModel) -> None:
    """Insert the extraction, and set its document to `review_pending`. Has an effect only once per job.

    Raises `Fail` (`document_unknown`) if the tenant has no such document. Then nothing is inserted.
    """
    document = (job.subject or "").removeprefix("documents/")
    found = extraction.model_dump(mode="json")
    with job.database("DATABASE_SECRET").once(job, effect="store") as cursor:
        if cursor is None or job.is_canary:  # a canary belongs to no document of the table
            return
        cursor.execute(
            "UPDATE documents SET status = 'review_pending', updated_at = now() WHERE tenant = %s AND id = %s",
            (job.tenant, document),
        )
        if cursor.rowcount != 1:
            raise Fail("document_unknown", f"there is no document {document!r} to store the extraction for")
        cursor.execute(
            "INSERT INTO extraction_results (job_id, tenant, document_id, kind, kind_confidence, fields, confidence,"
            " findings, needs_review) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                job.job_id,
                job.tenant,
                document,
                found["kind"],
                found["kind_confidence"],
                *(json.dumps(found[name]) for name in ("fields", "confidence", "findings")),
                found["needs_review"],
            ),
        )
