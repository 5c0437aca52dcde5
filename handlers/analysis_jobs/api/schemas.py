"""Models of the API's requests and responses, for the schemas of the OpenAPI document.

They only describe the JSON that `views.py`, the routes and `problems.py` create. A test validates every response of
the API against them.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.submission.service import Submission

_JOB_ID = rf"^{ID_PATTERN}$"


class _Response(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobError(_Response):
    """Why a job or its last attempt failed. Programs read `code`, people read `message`."""

    code: str
    message: str
    retryable: bool


class JobFile(_Response):
    """A file of a job. `size` is in bytes. `url` is a path of this API."""

    size: int
    content_type: str
    url: str


class JobTransition(_Response):
    """One transition that a job went through."""

    at: datetime
    transition: str
    status: Status


class JobSummary(_Response):
    """A job without input, result and history, as a list shows it."""

    job_id: str = Field(pattern=_JOB_ID)
    analysis: str
    status: Status
    subject: str | None
    client: str | None
    project: str | None
    priority: str
    tier: str | None
    stage: str | None = Field(description="The current or the next stage.")
    stages_completed: list[str]
    progress: int = Field(ge=0, le=100)
    attempt: int = Field(ge=0)
    error: JobError | None
    usage: Usage
    cost_usd: float | None = Field(description="The cost of the model calls; null if a price is unknown.")
    cancel_asked_at: datetime | None
    code_version: str | None = Field(description="The version of the code that last worked on the job.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    wait_seconds: float | None = Field(description="The time until the first claim by a worker.")
    processing_seconds: float | None = Field(description="The processing time of all attempts.")


class Job(JobSummary):
    """A job with its result, files and history."""

    models: dict[str, Usage] = Field(description="The usage by model.")
    prompts: dict[str, str] = Field(description="The prompt of each stage, with its version.")
    result: Any
    result_url: str | None = Field(
        description="Where to get a result that is too large for this answer, without a token. `result` is null then."
    )
    result_url_expires_at: datetime | None = Field(
        description="When `result_url` stops working. Get the job again for a new one, without `If-None-Match`."
    )
    files: dict[str, JobFile]
    history: list[JobTransition]


class JobPage(_Response):
    """Jobs, newest first. Send `next_cursor` as `cursor` to get the next page. It is null on the last page."""

    jobs: list[JobSummary]
    next_cursor: str | None


class JobAccepted(_Response):
    """A new job. With an `Idempotency-Key`: the current state of the job that the same request created before."""

    job_id: str = Field(pattern=_JOB_ID)
    status: Status
    status_url: str
    estimated_time_seconds: int
    outcome: Literal["created"]


class JobNotNeeded(_Response):
    """The submission created no new job. Contains the existing job, if there is one, and the `reason`."""

    job_id: str | None
    status: Status | None
    status_url: str | None
    estimated_time_seconds: int
    outcome: Literal["existing", "skipped"]
    reason: dict[str, Any]


class UploadForm(_Response):
    """A form to post as `multipart/form-data`: the fields first, then the file as `file`."""

    url: str
    fields: dict[str, str]


class UploadAccepted(_Response):
    """An upload form, and the `document` to name in an input."""

    document: str
    upload: UploadForm
    expires_in_seconds: int


class DownloadLink(_Response):
    """A URL that downloads a file without a token."""

    url: str
    expires_in_seconds: int


class ProblemField(_Response):
    """An error in one field. `field` is its path in the request."""

    field: str
    message: str


class ProblemDetails(_Response):
    """Problem details (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: list[ProblemField] = []


class LimitReached(ProblemDetails):
    """Problem details of a submission that exceeds the rate of its analysis."""

    outcome: Literal["limited"]
    reason: dict[str, Any]


class GatewayError(BaseModel):
    """An error of API Gateway itself: the request did not reach the function, or the function did not respond."""

    message: str


RESPONSES: tuple[type[BaseModel], ...] = (
    DownloadLink,
    GatewayError,
    JobAccepted,
    JobNotNeeded,
    JobPage,
    JobSummary,
    LimitReached,
    ProblemDetails,
    UploadAccepted,
)


def submission_model(analysis: Analysis[Any, Any], priorities: Iterable[str]) -> type[BaseModel]:
    """Return the model of the body of `POST /jobs` for one analysis."""
    fields: dict[str, Any] = {
        "analysis": (Literal[analysis.name], ...),
        "input": (analysis.request, ...),
        "priority": (Literal[*sorted(priorities)] | None, None),
    }
    if analysis.triggers:
        fields["trigger"] = (Literal[*sorted(analysis.triggers)], ...)
    else:
        fields["trigger"] = (None, None)
    if analysis.admission and not analysis.subject_from_input:
        # The same constraints as in `Submission`, but required.
        fields["subject"] = (Annotated[str, *Submission.model_fields["subject"].metadata], ...)
    return create_model(f"{_camel(analysis)}Submission", __base__=Submission, **fields)


def own_route_body_model(analysis: Analysis[Any, Any]) -> type[BaseModel]:
    """Return the model of the body of an analysis' own submit route: the input, plus `trigger` if it has triggers."""
    if not analysis.triggers:
        return analysis.request
    fields: dict[str, Any] = {"trigger": (Literal[*sorted(analysis.triggers)], ...)}
    return create_model(f"{_camel(analysis)}Request", __base__=analysis.request, **fields)


def job_model(analysis: Analysis[Any, Any]) -> type[BaseModel]:
    """Return the model of a job of one analysis. `result` has the type of its result."""
    fields: dict[str, Any] = {"analysis": (Literal[analysis.name], ...), "result": (analysis.result | None, ...)}
    about = f"A job of {analysis.name}. Its `result` has the form of the code version that completed the job."
    return create_model(f"{_camel(analysis)}Job", __base__=Job, __doc__=about, **fields)


def undeployed_job_model(names: Iterable[str]) -> type[BaseModel]:
    """Return the model of a job of an analysis that was removed. `names` are the deployed analyses."""
    known: dict[str, Any] = {"not": {"enum": sorted(names)}}
    return create_model(
        "OtherJob",
        __base__=Job,
        __doc__="A job of an analysis that is not deployed any more.",
        analysis=(str, Field(json_schema_extra=known)),
    )


def _camel(analysis: Analysis[Any, Any]) -> str:
    return "".join(part.capitalize() for part in analysis.name.split("-"))
