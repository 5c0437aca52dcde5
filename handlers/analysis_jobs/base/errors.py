"""The errors of a job, and how the engine handles each.

AnalysisJobsError
|-- ConfigurationError      the deployment is wrong; a caller cannot fix it
|-- InvocationFailedError   an invocation failed; the message has no text of the original error
`-- JobError                ends or delays one job; its code and message are shown to the caller
    |-- Fail                the job fails without a retry: the same input would fail again
    |-- Retry               the job runs again and spends an attempt
    `-- Defer               the job runs later and spends no attempt

Stopped                     the attempt must stop. A `BaseException`, so that `except Exception` does not catch it
|-- CancelAsked             a caller asked for the job to be cancelled
`-- OutOfTime               the invocation is about to time out

Finished                    the analysis has its result early. A `BaseException` too
"""

from datetime import timedelta
from typing import Any


class AnalysisJobsError(Exception):
    """The base class of this library's errors."""


class ConfigurationError(AnalysisJobsError):
    """The deployed settings cannot work. The message names the setting and the fix."""


class InvocationFailedError(AnalysisJobsError, RuntimeError):
    """An invocation of a function failed. Lambda logs the message, so it has no text of a job or a document."""


class JobError(AnalysisJobsError):
    """An error that is stored with the job. Programs read `code` (snake_case), people read `message`.

    Callers of the API see both.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Fail(JobError):
    """End the job as `failed`, because the same input would fail again."""


class Retry(JobError):
    """Run the job again if it has an attempt left. `after` overrides the engine's backoff."""

    def __init__(self, code: str, message: str, after: timedelta | None = None) -> None:
        super().__init__(code, message)
        self.after = after


class Defer(JobError):
    """Run the job again later without spending an attempt, until its deadline. `after` overrides the backoff."""

    def __init__(self, code: str, message: str, after: timedelta | None = None) -> None:
        super().__init__(code, message)
        self.after = after


class Stopped(BaseException):
    """The attempt must stop. The lease is lost, so the store would reject every further write."""


class CancelAsked(Stopped):
    """A caller asked for the job to be cancelled. The worker still holds the lease and writes the cancellation."""


class OutOfTime(Stopped):
    """The invocation is about to time out. The worker still holds the lease and queues the job again."""


class Finished(BaseException):
    """The job ends as completed with `result`. `job.finish` raises this."""

    def __init__(self, result: Any) -> None:
        super().__init__("the analysis has finished")
        self.result = result
