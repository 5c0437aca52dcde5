"""What to do about an error: a pure function from the exception to a decision, tested as a table."""

import random
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from http import HTTPStatus

from botocore.exceptions import ClientError, DataNotFoundError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

from analysis_jobs.base.errors import ConfigurationError, Defer, Fail, JobError, Retry
from analysis_jobs.jobs.record import JobFailure

_BASE = timedelta(seconds=2)
_CAP = timedelta(minutes=5)

_DENIED = {"AccessDenied", "AccessDeniedException", "AccessDeniedError", "KMS.AccessDeniedException"}
_MISCONFIGURED = {"NoSuchBucket", "ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue"}
# AWS asks for patience, and says so after the client's own retries too.
_BUSY = {
    "InternalError",
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TransactionInProgressException",
}
_NAME_THE_SERVICE = "Put it into `aws_services` in the package.toml beside the analyses, and build the package again."


class Action(Enum):
    """The three ways to go on after an error."""

    FAIL = "end the job as failed"
    RETRY = "another attempt, if one is left"
    DEFER = "wait, without spending an attempt"


@dataclass(frozen=True)
class Decision:
    """What to do, what to tell the caller, and how long to wait first (None: the engine's backoff)."""

    action: Action
    code: str
    message: str
    after: timedelta | None = None
    # The same work timing out twice on the same input will do so a third time.
    timed_out: bool = False

    @property
    def failure(self) -> JobFailure:
        """The error as it is kept on the job."""
        return JobFailure(self.code, self.message, self.action is not Action.FAIL)


def decide(error: Exception) -> Decision:
    """Return what to do about `error`. What nobody foresaw is tried again: it may have been the moment."""
    match error:
        case Fail():
            return Decision(Action.FAIL, error.code, error.message)
        case Retry():
            return Decision(Action.RETRY, error.code, error.message, error.after, error.code == "model_timeout")
        case Defer():
            return Decision(Action.DEFER, error.code, error.message, error.after)
        case JobError():
            return Decision(Action.FAIL, error.code, error.message)
        case ConfigurationError():
            return Decision(Action.FAIL, "configuration", str(error))
        case DataNotFoundError():
            # A client of a service whose description the package leaves out; the error lists those that are there.
            return Decision(Action.FAIL, "configuration", f"{str(error).strip()}. {_NAME_THE_SERVICE}")
        case ClientError():
            return _of_aws(error)
        case NoConnection() | HTTPClientError() | IncompleteReadError():
            # boto3's own, of S3 or DynamoDB: the network, or a time-out on it. Its text names our endpoints.
            return Decision(Action.RETRY, "aws_connection", f"the connection to AWS failed: {type(error).__name__}")
    return Decision(Action.RETRY, "unexpected_error", f"{type(error).__name__}: {error}")


def out_of_time(stage: str, why: str) -> Decision:
    """Return the decision about a stage that made no checkpoint before its invocation's time was over."""
    message = f"{stage} did not finish within an invocation ({why}): make it smaller, or save partial work"
    return Decision(Action.RETRY, "stage_timeout", message, after=timedelta(), timed_out=True)


def final_timeout(decision: Decision, stage: str) -> Decision:
    """Return the decision about a stage that timed out before on the same input: it would time out a third time."""
    return Decision(Action.FAIL, decision.code, f"{stage} timed out twice on the same input: {decision.message}")


def _of_aws(error: ClientError) -> Decision:
    code = error.response["Error"]["Code"]
    if code in _DENIED:
        return Decision(Action.FAIL, "access_denied", str(error))
    if code in _MISCONFIGURED:
        return Decision(Action.FAIL, "configuration", str(error))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # a 503 without a body has no code
        return Decision(Action.DEFER, "aws_busy", str(error))
    return Decision(Action.RETRY, "unexpected_error", f"ClientError: {error}")


def backoff(claims: int, draw: float | None = None) -> timedelta:
    """Return a full-jitter exponential backoff: uniform in 0..min(5 min, 2 s x 2^claims).

    It grows with every claim, not with attempts: a job that is told to wait gets its attempt back, and must not ask
    again every two seconds for hours.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    ceiling = min(_CAP, _BASE * (1 << min(claims, 16)))
    return ceiling * (random.random() if draw is None else draw)  # noqa: S311 - jitter, not a secret
