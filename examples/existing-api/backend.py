"""The team's own backend: a FastAPI application on Lambda. It runs the jobs in its own process, without their HTTP API.

The variables and the rights come from the module's outputs `backend_environment` and `policies`.
"""

import os
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from mangum import Mangum
from pydantic import BaseModel, Field

from analysis_jobs.client import Backend, JobFailed, JobInfo, NotFinished, Rejected, Unreachable
from ticket_triage import Ticket, Triage, ticket_triage

app = FastAPI(title="Help desk")
handler = Mangum(app, lifespan="off")


@cache
def _backend() -> Backend:
    """Make the backend once for each execution environment."""
    return Backend(os.environ, analyses=[ticket_triage])


def jobs(request: Request) -> Backend:
    """Return the jobs of the caller's tenant. API Gateway has verified the token."""
    claims = request.scope["aws.event"]["requestContext"]["authorizer"]["jwt"]["claims"]
    return _backend().for_tenant(claims["tenant"])


Jobs = Annotated[Backend, Depends(jobs)]


class Attachment(BaseModel):
    """An uploaded attachment. `document` is its name for a ticket."""

    document: str


class State(BaseModel):
    """The state of a triage."""

    job_id: str
    status: str
    progress: int = Field(ge=0, le=100)

    @classmethod
    def of(cls, job: JobInfo) -> "State":
        """Return the state of a job."""
        return cls(job_id=job.job_id, status=job.status, progress=job.progress)


@app.post("/attachments/{filename}", status_code=201)
async def attach(filename: str, request: Request, jobs: Jobs) -> Attachment:
    """Upload an attachment of up to 4 MB, which is what Lambda accepts. For larger ones see `Backend.upload_form`."""
    content = await request.body()
    kind = request.headers.get("content-type")
    document = await run_in_threadpool(jobs.upload, content, filename=filename, content_type=kind)
    return Attachment(document=document)


@app.post("/tickets/{ticket}/triage", status_code=202)
def submit(ticket: str, given: Ticket, jobs: Jobs, idempotency_key: Annotated[str | None, Header()] = None) -> State:
    """Start the triage of a ticket."""
    # The team's own rules go here: does the ticket exist, and may this person see it?
    job = jobs.submit(ticket_triage, given, subject=f"tickets/{ticket}", idempotency_key=idempotency_key)
    return State(job_id=job.job_id, status=job.status, progress=0)


@app.get("/triages/{job_id}")
def status(job_id: str, jobs: Jobs) -> State:
    """Return the state of a triage."""
    return State.of(jobs.status(job_id))


@app.get("/triages/{job_id}/result")
def result(job_id: str, jobs: Jobs) -> Triage:
    """Return the result of a triage. 409 if it has not ended or has failed."""
    return jobs.result(job_id, Triage)


@app.post("/triages/{job_id}/cancel")
def cancel(job_id: str, jobs: Jobs) -> State:
    """Cancel a triage."""
    return State.of(jobs.cancel(job_id))


@app.exception_handler(Rejected)
def rejected(_: Request, error: Rejected) -> JSONResponse:
    """Answer what the jobs answered. A right that this backend lacks is not the caller's error."""
    status = 500 if error.status in {401, 403} else error.status
    headers = {"Retry-After": f"{error.retry_after:.0f}"} if error.retry_after else None
    return _problem(status, error.problem if status == error.status else {}, headers)


@app.exception_handler(NotFinished)
@app.exception_handler(JobFailed)
def without_result(_: Request, error: NotFinished | JobFailed) -> JSONResponse:
    """Answer that there is no result."""
    return _problem(409, {"detail": str(error)})


@app.exception_handler(Unreachable)
def unreachable(_: Request, __: Unreachable) -> JSONResponse:
    """Answer that the jobs cannot be reached at present."""
    return _problem(503, {}, {"Retry-After": "5"})


def _problem(status: int, problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem, status, headers, media_type="application/problem+json")
