"""Calls a deployment from Python: over HTTP (`Client`) or in process (`Backend`), blocking or in an event loop.

`Jobs` and `AsyncJobs` are the interfaces that they share. Importing this package is fast: httpx2 and boto3 are imported
for the first call.
"""

from typing import TYPE_CHECKING, Any

from analysis_jobs.client.backend import AsyncBackend, Backend
from analysis_jobs.client.client import AsyncClient, Client
from analysis_jobs.client.errors import (
    ClientError,
    Conflict,
    Expired,
    FieldProblem,
    Forbidden,
    InvalidResult,
    JobFailed,
    Limited,
    NotAdmitted,
    NotFinished,
    NotFound,
    Refused,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    WaitTimeout,
)
from analysis_jobs.client.interface import AsyncJobs, Jobs, ListOptions, SubmitOptions
from analysis_jobs.client.jobs import JobError, JobFile, JobInfo, Submitted, UploadForm
from analysis_jobs.client.operations import Response

if TYPE_CHECKING:
    from analysis_jobs.authoring.undeclared import UndeclaredAnalysis

__all__ = [
    "AsyncBackend",
    "AsyncClient",
    "AsyncJobs",
    "Backend",
    "Client",
    "ClientError",
    "Conflict",
    "Expired",
    "FieldProblem",
    "Forbidden",
    "InvalidResult",
    "JobError",
    "JobFailed",
    "JobFile",
    "JobInfo",
    "Jobs",
    "Limited",
    "ListOptions",
    "NotAdmitted",
    "NotFinished",
    "NotFound",
    "Refused",
    "Rejected",
    "Response",
    "SubmitOptions",
    "Submitted",
    "Unauthorized",
    "Unavailable",
    "UndeclaredAnalysis",
    "Unreachable",
    "UploadForm",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    """Import `UndeclaredAnalysis` on first use: it needs pydantic, and most clients do not."""
    if name == "UndeclaredAnalysis":
        from analysis_jobs.authoring.undeclared import UndeclaredAnalysis  # noqa: PLC0415 - slow to import

        return UndeclaredAnalysis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
