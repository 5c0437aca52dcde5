"""What can go wrong with a job, and what the engine does about it.

AnalysisJobsError
|-- ConfigurationError      the deployment is wrong: nothing a caller can do
`-- JobError                ends or delays one job; its code and message are shown to the caller
    |-- Fail                never again: the same input would fail again
    |-- Retry               once more, spending an attempt
    `-- Defer               later, spending no attempt: we were told to wait

Stopped                     the attempt must stop; not an error of the job, and no `Exception`: an analysis that catches
|                           everything must not catch this
|-- CancelAsked             a caller asked for it
`-- OutOfTime               the invocation's time is over

Finished                    the analysis has its result already; no `Exception` either
"""

from datetime import timedelta
from typing import Any


class AnalysisJobsError(Exception):
    """The root of this library's errors."""


class ConfigurationError(AnalysisJobsError):
    """The function is deployed with settings that cannot work; the message names the setting and the fix."""


class JobError(AnalysisJobsError):
    """An error that is kept on the job: `code` for programs (snake_case), `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Fail(JobError):
    """The job ends as `failed`; the same input would fail again."""


class Retry(JobError):
    """The job is tried again while it has attempts left; `after` overrides the engine's backoff."""

    def __init__(self, code: str, message: str, after: timedelta | None = None) -> None:
        super().__init__(code, message)
        self.after = after


class Defer(JobError):
    """The job waits without spending an attempt, until its deadline; `after` overrides the engine's backoff."""

    def __init__(self, code: str, message: str, after: timedelta | None = None) -> None:
        super().__init__(code, message)
        self.after = after


class Stopped(BaseException):
    """The attempt must stop: its lease is lost, and whatever it would write now would not land."""


class CancelAsked(Stopped):
    """A caller asked for the job to be cancelled; the lease still holds, to say that it is."""


class OutOfTime(Stopped):
    """The invocation's time is over; the lease still holds, to hand the job on."""


class Finished(BaseException):
    """The job ends now, as completed with `result`; `job.finish` raises it."""

    def __init__(self, result: Any) -> None:
        super().__init__("the analysis has finished")
        self.result = result
