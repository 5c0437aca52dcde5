"""The jobs that `Client` and `Backend` return. They are parsed from the JSON of the HTTP API, also in process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

Result = TypeVar("Result")
"""The type that a caller wants a job's result in: a pydantic model, or any other type that pydantic validates."""

_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class JobError:
    """Why a job or its last attempt failed. Programs read `code`, people read `message`."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class JobFile:
    """A file of a job. `size` is in bytes."""

    name: str
    size: int
    content_type: str


@dataclass(frozen=True)
class UploadForm:
    """A form that uploads one file of a fixed type and size, for example from a browser.

    POST it to `url` as `multipart/form-data`: the `fields` first, then the file as `file`. `document` is the name for
    the input of a job. The form can be used for `expires_in_seconds`.
    """

    document: str
    url: str
    fields: Mapping[str, str]
    expires_in_seconds: int


@dataclass(frozen=True)
class Submitted:
    """An accepted submission.

    `outcome` is `created` for a new job. It is `existing` or `skipped` if the policy of the analysis returned an
    earlier job instead; `reason` says why.
    """

    job_id: str
    status: str
    outcome: str
    estimated_time_seconds: int
    reason: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class JobInfo:
    """The state of a job.

    `status` is queued, processing, completed, failed or cancelled. `progress` is 0 to 100. `cost_usd` is None if a
    price is unknown. Times are in UTC. `result` is the result as JSON; see `result` of the client for a typed one. A
    job of a list has no result and no files. `raw` is the whole answer, with the fields that are not listed here.
    """

    job_id: str
    analysis: str
    status: str
    subject: str | None = None
    client: str | None = None
    project: str | None = None
    priority: str | None = None
    stage: str | None = None
    stages_completed: tuple[str, ...] = ()
    progress: int = 0
    attempt: int = 0
    error: JobError | None = None
    cost_usd: float | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Any = None
    result_url: str | None = None
    files: tuple[JobFile, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        """Whether the job has completed, failed, or was cancelled."""
        return self.status in _ENDED

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> "JobInfo":
        """Return the job of an answer. Fields that a newer version adds are in `raw` only."""
        error = answer.get("error")
        files = answer.get("files") or {}
        same = ("subject", "client", "project", "priority", "stage", "cost_usd", "result", "result_url")
        return cls(
            job_id=answer["job_id"],
            analysis=answer["analysis"],
            status=answer["status"],
            stages_completed=tuple(answer.get("stages_completed") or ()),
            progress=answer.get("progress") or 0,
            attempt=answer.get("attempt") or 0,
            error=JobError(error["code"], error["message"], error["retryable"]) if error else None,
            created_at=_moment(answer.get("created_at")),
            started_at=_moment(answer.get("started_at")),
            finished_at=_moment(answer.get("finished_at")),
            files=tuple(JobFile(name, file["size"], file["content_type"]) for name, file in files.items()),
            raw=answer,
            **{name: answer.get(name) for name in same},
        )


def submitted_from_json(answer: Mapping[str, Any]) -> Submitted:
    """Return the submission of an answer that names a job."""
    return Submitted(
        job_id=answer["job_id"],
        status=answer["status"],
        outcome=answer["outcome"],
        estimated_time_seconds=answer["estimated_time_seconds"],
        reason=answer.get("reason") or {},
        raw=answer,
    )


def upload_form_from_json(answer: Mapping[str, Any]) -> UploadForm:
    """Return the form of an answer to `POST /uploads`."""
    form = answer["upload"]
    return UploadForm(answer["document"], form["url"], form["fields"], answer["expires_in_seconds"])


def plain_input(given: Any) -> dict[str, Any]:
    """Return an input, a mapping or a pydantic model, as JSON. Raises `ValueError` or `TypeError` if it is not JSON."""
    if hasattr(given, "model_dump"):
        # Exclude nothing: the analysis' model may have other defaults.
        given = given.model_dump(mode="json", by_alias=True)
    if not isinstance(given, Mapping):
        raise TypeError(f"give a mapping or a pydantic model with fields, not {type(given).__name__}")
    plain: dict[str, Any] = json.loads(json.dumps(dict(given), allow_nan=False))
    return plain


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
