"""Decides what an error means for the job. The decision is a pure function of the exception, tested as a table."""

import random
from datetime import timedelta
from enum import Enum
from http import HTTPStatus

from botocore.exceptions import ClientError, DataNotFoundError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

from analysis_jobs.base.error_facts import aws_refusal, describe_error
from analysis_jobs.base.errors import ConfigurationError, Defer, Fail, JobError, Retry
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import JobFailure

_BASE = timedelta(seconds=2)
_CAP = timedelta(minutes=5)

_DENIED = {"AccessDenied", "AccessDeniedException", "AccessDeniedError", "KMS.AccessDeniedException"}
_MISCONFIGURED = {"NoSuchBucket", "ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue"}
# AWS is busy, and still was after the client's own retries.
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
_NAME_THE_SERVICE = "Put it into `aws_services` in [tool.analysis-jobs] of pyproject.toml, and build the package again."


class Action(Enum):
    """How the job continues after an error."""

    FAIL = "end the job as failed"
    RETRY = "another attempt, if one is left"
    DEFER = "wait, without spending an attempt"


@dataclass(frozen=True)
class Decision:
    """The decision about an error. `code` and `message` are for the caller.

    `after` is how long the job waits before the next attempt. None: the engine's backoff.
    """

    action: Action
    code: str
    message: str
    after: timedelta | None = None
    # A stage that timed out twice on the same input will time out again. `final_timeout` then ends the job.
    timed_out: bool = False

    @property
    def failure(self) -> JobFailure:
        """The error in the form that the job's row stores."""
        return JobFailure(self.code, self.message, self.action is not Action.FAIL)


def decide(error: Exception) -> Decision:
    """Return the decision about `error`. An unknown error is tried again, because its cause may be temporary.

    The message of an unknown error may quote a document, so the decision has only the error's class and place.
    """
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
            # The package lacks botocore's description of this service. The error lists the services that it has.
            return Decision(Action.FAIL, "configuration", f"{str(error).strip()}. {_NAME_THE_SERVICE}")
        case ClientError():
            return _decide_aws(error)
        case NoConnection() | HTTPClientError() | IncompleteReadError():
            # A network error or timeout of boto3. Its text contains our endpoints, which callers must not see.
            return Decision(Action.RETRY, "aws_connection", f"the connection to AWS failed: {type(error).__name__}")
    return Decision(Action.RETRY, "unexpected_error", describe_error(error))


def out_of_time(stage: str, why: str) -> Decision:
    """Return the decision about a stage that made no checkpoint before the invocation's time was over."""
    message = f"{stage} did not finish within an invocation ({why}): split the stage, or save checkpoints in it"
    return Decision(Action.RETRY, "stage_timeout", message, after=timedelta(), timed_out=True)


def final_timeout(decision: Decision, stage: str) -> Decision:
    """Return the decision about a stage that timed out twice on the same input: the job fails."""
    return Decision(Action.FAIL, decision.code, f"{stage} timed out twice on the same input: {decision.message}")


def _decide_aws(error: ClientError) -> Decision:
    code = error.response["Error"]["Code"]
    if code in _DENIED:
        return Decision(Action.FAIL, "access_denied", aws_refusal(error))
    if code in _MISCONFIGURED:
        return Decision(Action.FAIL, "configuration", aws_refusal(error))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # a 503 without a body has no error code
        return Decision(Action.DEFER, "aws_busy", aws_refusal(error))
    return Decision(Action.RETRY, "unexpected_error", describe_error(error))


def backoff(claims: int, draw: float | None = None) -> timedelta:
    """Return a full-jitter exponential backoff: uniform in 0..min(5 min, 2 s x 2^claims).

    It grows with the number of claims, not of attempts. A deferred job gets its attempt back, so a backoff by attempts
    would stay at two seconds for hours.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    ceiling = min(_CAP, _BASE * (1 << min(claims, 16)))
    return ceiling * (random.random() if draw is None else draw)  # noqa: S311 - jitter, not a secret
