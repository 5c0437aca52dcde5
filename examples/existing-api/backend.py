"""The team's own backend: it submits jobs in its own process, with the library and the module's submit policy."""

import json
import os
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import settings
from analysis_jobs.jobs.request_errors import RequestError
from analysis_jobs.submission.service import Submission, SubmissionService


@cache
def _submissions() -> SubmissionService:
    return wiring.submissions(settings.from_environment())


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `POST /tickets/{id}/triage` of the team's HTTP API (payload format 2.0) with 202 and the job's URL."""
    tenant = event["requestContext"]["authorizer"]["jwt"]["claims"]["tenant"]
    ticket = event["pathParameters"]["id"]
    # The team's own rules go here: does the ticket exist, and may this person see it?
    try:
        given = json.loads(event.get("body") or "")
        submission = Submission(analysis="ticket-triage", input=given, subject=f"tickets/{ticket}")
    except ValueError as error:  # not JSON, not an object, or a ticket's name that is too long
        return _answer(400, {"detail": str(error)})
    try:
        job = _submissions().submit(tenant, submission, event["headers"].get("idempotency-key"))
    except RequestError as error:  # a field of the ticket is wrong, or the key was used for another ticket
        return _answer(422, {"detail": str(error)})
    return _answer(202, {"job_id": job.job_id, "status_url": f"{os.environ['JOBS_API_URL']}/jobs/{job.job_id}"})


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
