"""What to do about an error: a pure function from the exception to a decision, tested as a table."""

import random
import re
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

# What a model's service answers, before a stream or within, to what is done about it and what the caller is told.
# Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
# (within a stream its names begin in lower case). Gemini: https://ai.google.dev/gemini-api/docs/troubleshooting
_MODEL_ERRORS: dict[str, tuple[type[JobError], str]] = {
    "ThrottlingException": (Defer, "model_throttled"),
    "ServiceUnavailableException": (Defer, "model_unavailable"),
    "InternalServerException": (Defer, "model_unavailable"),
    "ModelNotReadyException": (Defer, "model_unavailable"),
    "ServiceQuotaExceededException": (Defer, "model_quota_exceeded"),
    "ModelStreamErrorException": (Retry, "model_error"),
    "ModelErrorException": (Retry, "model_error"),
    "ModelTimeoutException": (Retry, "model_timeout"),
    "ValidationException": (Fail, "model_refused_request"),
    "ResourceNotFoundException": (Fail, "model_not_found"),
    "AccessDeniedException": (Fail, "access_denied"),
    "UnrecognizedClientException": (Fail, "access_denied"),
    "RESOURCE_EXHAUSTED": (Defer, "model_throttled"),
    "UNAVAILABLE": (Defer, "model_unavailable"),
    "INTERNAL": (Defer, "model_unavailable"),
    "ABORTED": (Retry, "model_error"),
    "CANCELLED": (Retry, "model_error"),
    "UNKNOWN": (Retry, "model_error"),
    "DEADLINE_EXCEEDED": (Retry, "model_timeout"),
    "INVALID_ARGUMENT": (Fail, "model_refused_request"),
    "FAILED_PRECONDITION": (Fail, "model_refused_request"),
    "OUT_OF_RANGE": (Fail, "model_refused_request"),
    "NOT_FOUND": (Fail, "model_not_found"),
    "PERMISSION_DENIED": (Fail, "access_denied"),
    "UNAUTHENTICATED": (Fail, "access_denied"),
}
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
_LONGEST_RETRY_AFTER = timedelta(hours=1)
_NAME_THE_SERVICE = "Put it into `aws_services` in the package.toml beside the analyses, and build the package again."


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
    # The same work timing out twice on the same input will do so a third time.
    timed_out: bool = False

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
            return Decision(Action.RETRY, error.code, error.message, error.after, error.code == "model_timeout")
        case Defer():
            return Decision(Action.DEFER, error.code, error.message, error.after)
        case JobError():
            return Decision(Action.NEVER, error.code, error.message)
        case ConfigurationError():
            return Decision(Action.NEVER, "configuration", str(error))
        case DataNotFoundError():
            # A client of a service whose description the package leaves out; the error lists those that are there.
            return Decision(Action.NEVER, "configuration", f"{str(error).strip()}. {_NAME_THE_SERVICE}")
        case ClientError():
            return _of_aws(error)
        case NoConnection() | HTTPClientError() | IncompleteReadError():
            # boto3's own, of S3 or DynamoDB: the network, or a time-out on it. Its text names our endpoints.
            return Decision(Action.RETRY, "aws_connection", f"the connection to AWS failed: {type(error).__name__}")
    return Decision(Action.RETRY, "unexpected_error", f"{type(error).__name__}: {error}")


def model_error(name: str, message: str, retry_after: str | None = None) -> JobError:
    """Return what a model's error deserves: `name` as its service spells it, `retry_after` as HTTP does, in seconds."""
    spelt = name[:1].upper() + name[1:]
    kind, code = _MODEL_ERRORS.get(spelt, (Retry, "model_error"))
    if kind is Fail:
        return Fail(code, f"{spelt}: {message}")
    return (Defer if kind is Defer else Retry)(code, f"{spelt}: {message}", _seconds(retry_after))


def _seconds(retry_after: str | None) -> timedelta | None:
    """Return a `Retry-After`; None where there is none, or it is a date, or no time at all: then we back off."""
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after) or int(retry_after) == 0:
        return None
    return min(timedelta(seconds=int(retry_after)), _LONGEST_RETRY_AFTER)


def _of_aws(error: ClientError) -> Decision:
    code = error.response["Error"]["Code"]
    if code in _DENIED:
        return Decision(Action.NEVER, "access_denied", str(error))
    if code in _MISCONFIGURED:
        return Decision(Action.NEVER, "configuration", str(error))
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
