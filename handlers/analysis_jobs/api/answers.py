"""The bodies of answers, kept within the size that Lambda returns.

Lambda refuses an answer of more than 6,291,556 bytes, and the caller gets a 502. It counts the answer as its runtime
encodes it: the body is a string in a JSON object, so quotes and backslashes of the body count twice.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.jobs.ports import ArtifactStore, Page
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.views import detail, summary

MAX_ANSWER_BYTES = 6_291_556
# The status and the headers around the body. An HTTP API accepts 10,240 bytes of headers.
_ENVELOPE_BYTES = 16_384
MAX_BODY_BYTES = MAX_ANSWER_BYTES - _ENVELOPE_BYTES
RESULT_URL_LIFE = timedelta(minutes=15)


def json_text(value: Any) -> str:
    """Return the JSON of a body, without blanks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()  # a path may contain half of a surrogate pair


def answer_bytes(body: str) -> int:
    """Return the size of a body within Lambda's answer, in bytes."""
    # Some versions of the runtime also escape these two separators: six bytes instead of three.
    separators = body.count("\u2028") + body.count("\u2029")
    return len(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 3 * separators


def fits(body: str, limit: int = MAX_BODY_BYTES) -> bool:
    """Return whether Lambda can return the body."""
    # Escaped and in UTF-8, a character has at most six bytes.
    return len(body) * 6 + 2 <= limit or answer_bytes(body) <= limit


def job_body(job: JobRecord, artifacts: ArtifactStore, now: datetime, limit: int = MAX_BODY_BYTES) -> str:
    """Return the JSON of a job. A result that does not fit is replaced by a presigned URL, `result_url`."""
    shown = detail(job, artifacts)
    body = json_text(shown)
    if fits(body, limit) or job.result is None or job.result.key is None:
        return body
    url = artifacts.presign_get(job.result.key, f"{job.job_id}-result.json", "application/json", RESULT_URL_LIFE)
    link = {"result": None, "result_url": url, "result_url_expires_at": rfc3339(now + RESULT_URL_LIFE)}
    return json_text(shown | link)


def page_body(page: Page, limit: int = MAX_BODY_BYTES) -> str:
    """Return the JSON of a page of jobs. It has fewer jobs if not all of them fit, and at least one."""
    rows = [json_text(summary(job)) for job in page.jobs]
    count = _fitting(rows, limit - len(json_text({"jobs": [], "next_cursor": "x" * 64})))
    cursor = page.next_before_id if count == len(rows) else page.jobs[count - 1].job_id
    return f'{{"jobs":[{",".join(rows[:count])}],"next_cursor":{json_text(cursor)}}}'


def _fitting(rows: Sequence[str], limit: int) -> int:
    """Return how many rows fit, counted from the first: at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += answer_bytes(row) + 1
        if size > limit and number:
            return number
    return len(rows)
