"""The test kit: runs whole jobs of an analysis in memory, with scripted answers in place of a model's.

It is a pytest plugin with the fixture `jobs`. The submission, the worker, the checkpoints, the leases, the files and
the document reader are the real ones. No deployment package contains it. See docs/write/testing.md.

pytest imports this package for its plugin, in environments without the worker too. So a name is imported when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_jobs.jobs.request_errors import InvalidRequestError, NotAdmittedError, RateLimitedError
    from analysis_jobs.testing.answers import Answer
    from analysis_jobs.testing.database import TestDatabase
    from analysis_jobs.testing.errors import RecordingDiffers, UnscriptedQuestion
    from analysis_jobs.testing.jobs import Jobs
    from analysis_jobs.testing.questions import Asked, Match
    from analysis_jobs.testing.run import JobFailed, JobRun

__all__ = [
    "Answer",
    "Asked",
    "InvalidRequestError",
    "JobFailed",
    "JobRun",
    "Jobs",
    "Match",
    "NotAdmittedError",
    "RateLimitedError",
    "RecordingDiffers",
    "TestDatabase",
    "UnscriptedQuestion",
]
_REQUEST_ERRORS = "analysis_jobs.jobs.request_errors"
_PLACES = {
    "Answer": "analysis_jobs.testing.answers",
    "Asked": "analysis_jobs.testing.questions",
    "InvalidRequestError": _REQUEST_ERRORS,
    "JobFailed": "analysis_jobs.testing.run",
    "JobRun": "analysis_jobs.testing.run",
    "Jobs": "analysis_jobs.testing.jobs",
    "Match": "analysis_jobs.testing.questions",
    "NotAdmittedError": _REQUEST_ERRORS,
    "RateLimitedError": _REQUEST_ERRORS,
    "RecordingDiffers": "analysis_jobs.testing.errors",
    "TestDatabase": "analysis_jobs.testing.database",
    "UnscriptedQuestion": "analysis_jobs.testing.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_PLACES[name]), name)
