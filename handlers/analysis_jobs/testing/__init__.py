"""The test kit: runs whole jobs of an analysis in memory, with scripted answers in place of a model's.

It is a pytest plugin with the fixture `jobs`. The submission, the worker, the checkpoints, the leases, the files and
the document reader are the real ones. No deployment package contains it. See docs/write/testing.md.
"""

from analysis_jobs.jobs.request_errors import InvalidRequestError, NotAdmittedError, RateLimitedError
from analysis_jobs.testing.answers import Answer
from analysis_jobs.testing.database import TestDatabase
from analysis_jobs.testing.errors import RecordingDiffers, UnscriptedQuestion
from analysis_jobs.testing.jobs import Jobs
from analysis_jobs.testing.questions import Asked
from analysis_jobs.testing.run import JobFailed, JobRun

__all__ = [
    "Answer",
    "Asked",
    "InvalidRequestError",
    "JobFailed",
    "JobRun",
    "Jobs",
    "NotAdmittedError",
    "RateLimitedError",
    "RecordingDiffers",
    "TestDatabase",
    "UnscriptedQuestion",
]
