"""What the API takes and answers, as models: of these the OpenAPI document's schemas are made.

They describe what `views.py`, `http.py` and `problems.py` send, and send nothing themselves: a test holds every answer
of the API against them.
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


class _Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobError(_Shown):
    """Why a job failed, or why its last attempt did: `code` for programs, `message` for people."""

    code: str
    message: str
    retryable: bool


class JobFile(_Shown):
    """A file of a job; `size` in bytes, `url` a path of this API."""

    size: int
    content_type: str
    url: str


class JobTransition(_Shown):
    """One transition that a job went through."""

    at: datetime
    transition: str
    status: Status


class JobSummary(_Shown):
    """A job as a list shows it."""

    job_id: str = Field(pattern=_JOB_ID)
    analysis: str
    status: Status
    subject: str | None
    client: str | None
    project: str | None
    priority: str
    tier: str | None
    stage: str | None = Field(description="The stage that is worked on, or comes next.")
    stages_completed: list[str]
    progress: int = Field(ge=0, le=100)
    attempt: int = Field(ge=0)
    error: JobError | None
    usage: Usage
    cost_usd: float | None = Field(description="What the model calls cost; null where a price is not known.")
    cancel_asked_at: datetime | None
    code_version: str | None = Field(description="The code that last worked on it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    wait_seconds: float | None = Field(description="Until its first worker.")
    processing_seconds: float | None = Field(description="Of all attempts.")


class Job(JobSummary):
    """A job, whole."""

    models: dict[str, Usage] = Field(description="The usage by model.")
    prompts: dict[str, str] = Field(description="The prompt of each stage, with its version.")
    result: Any
    files: dict[str, JobFile]
    history: list[JobTransition]


class JobPage(_Shown):
    """Jobs, newest first; with `next_cursor` as `cursor` the next page follows, null on the last one."""

    jobs: list[JobSummary]
    next_cursor: str | None


class JobAccepted(_Shown):
    """A new job; or, with an `Idempotency-Key`, the one that the same request made before, as it is now."""

    job_id: str = Field(pattern=_JOB_ID)
    status: Status
    status_url: str
    estimated_time_seconds: int
    outcome: Literal["created"]


class JobNotNeeded(_Shown):
    """No new job: the one that stands instead of it, if there is one, and the `reason`."""

    job_id: str | None
    status: Status | None
    status_url: str | None
    estimated_time_seconds: int
    outcome: Literal["existing", "skipped"]
    reason: dict[str, Any]


class UploadForm(_Shown):
    """What to post as `multipart/form-data`: the fields, then the file as `file`."""

    url: str
    fields: dict[str, str]


class UploadAccepted(_Shown):
    """Where to upload, and the `document` to name in an input."""

    document: str
    upload: UploadForm
    expires_in_seconds: int


class DownloadLink(_Shown):
    """Where to download a file, without a token."""

    url: str
    expires_in_seconds: int


class ProblemField(_Shown):
    """What is wrong with one field; `field` is its path in the request."""

    field: str
    message: str


class ProblemDetails(_Shown):
    """Problem details (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: list[ProblemField] = []


class LimitReached(ProblemDetails):
    """Problem details of a submission that the analysis' limit refuses for now."""

    outcome: Literal["limited"]
    reason: dict[str, Any]


class GatewayError(BaseModel):
    """What the gateway says itself, before a function runs or where it did not answer."""

    message: str


ANSWERS: tuple[type[BaseModel], ...] = (
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


def submission_of(analysis: Analysis[Any, Any], lanes: Iterable[str]) -> type[BaseModel]:
    """Return the body of `POST /jobs` for one analysis."""
    fields: dict[str, Any] = {
        "analysis": (Literal[analysis.name], ...),
        "input": (analysis.request, ...),
        "priority": (Literal[*sorted(lanes)] | None, None),
    }
    if analysis.triggers:
        fields["trigger"] = (Literal[*sorted(analysis.triggers)], ...)
    else:
        fields["trigger"] = (None, None)
    if analysis.admission and not analysis.subject_of_input:
        # As the field that it replaces, but required.
        fields["subject"] = (Annotated[str, *Submission.model_fields["subject"].metadata], ...)
    return create_model(f"{_camel(analysis)}Submission", __base__=Submission, **fields)


def own_body_of(analysis: Analysis[Any, Any]) -> type[BaseModel]:
    """Return the body of an analysis' own submit route: the input itself, with a `trigger` where it has triggers."""
    if not analysis.triggers:
        return analysis.request
    fields: dict[str, Any] = {"trigger": (Literal[*sorted(analysis.triggers)], ...)}
    return create_model(f"{_camel(analysis)}Request", __base__=analysis.request, **fields)


def job_of(analysis: Analysis[Any, Any]) -> type[BaseModel]:
    """Return a job of one analysis: `result` is its result."""
    fields: dict[str, Any] = {"analysis": (Literal[analysis.name], ...), "result": (analysis.result | None, ...)}
    about = f"A job of {analysis.name}, whole; its `result` has the shape of the code that completed it."
    return create_model(f"{_camel(analysis)}Job", __base__=Job, __doc__=about, **fields)


def other_job(names: Iterable[str]) -> type[BaseModel]:
    """Return a job of an analysis that is none of these: it was deployed once, and its jobs are still kept."""
    known: dict[str, Any] = {"not": {"enum": sorted(names)}}
    return create_model(
        "OtherJob",
        __base__=Job,
        __doc__="A job of an analysis that is not deployed any longer.",
        analysis=(str, Field(json_schema_extra=known)),
    )


def _camel(analysis: Analysis[Any, Any]) -> str:
    return "".join(part.capitalize() for part in analysis.name.split("-"))
