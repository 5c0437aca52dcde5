"""What to do about an error: a pure function from the exception to a decision, tested as a table."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from botocore.exceptions import ClientError

from analysis_jobs.errors import ConfigurationError, Defer, Fail, JobError, Retry
from analysis_jobs.record import JobFailure

_BASE = timedelta(seconds=2)
_CAP = timedelta(minutes=5)
_DENIED = {"AccessDenied", "AccessDeniedException", "AccessDeniedError"}


class Action(Enum):
    """The three ways to go on after an error."""

    NEVER = "end the job as failed"
    RETRY = "another attempt, if one is left"
    DEFER = "wait, without spending an attempt"


@dataclass(frozen=True)
class Decision:
    """What to do, what to tell the caller, and how long to wait first (None: the engine's backoff)."""

    action: Action
    code: str
    message: str
    after: timedelta | None = None

    @property
    def failure(self) -> JobFailure:
        """The error as it is kept on the job."""
        return JobFailure(self.code, self.message, self.action is not Action.NEVER)


def decide(error: Exception) -> Decision:
    """Return what to do about `error`. What nobody foresaw is tried again: it may have been the moment."""
    match error:
        case Fail():
            return Decision(Action.NEVER, error.code, error.message)
        case Retry():
            return Decision(Action.RETRY, error.code, error.message, error.after)
        case Defer():
            return Decision(Action.DEFER, error.code, error.message, error.after)
        case JobError():
            return Decision(Action.NEVER, error.code, error.message)
        case ConfigurationError():
            return Decision(Action.NEVER, "configuration", str(error))
        case ClientError() if error.response["Error"]["Code"] in _DENIED:
            return Decision(Action.NEVER, "access_denied", str(error))
    return Decision(Action.RETRY, "unexpected_error", f"{type(error).__name__}: {error}")


def backoff(claims: int, draw: float | None = None) -> timedelta:
    """Return a full-jitter exponential backoff: uniform in 0..min(5 min, 2 s x 2^claims).

    It grows with every claim, not with attempts: a job that is told to wait gets its attempt back, and must not ask
    again every two seconds for hours.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    ceiling = min(_CAP, _BASE * (1 << min(claims, 16)))
    return ceiling * (random.random() if draw is None else draw)  # noqa: S311 - jitter, not a secret
