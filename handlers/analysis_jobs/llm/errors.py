"""What a model's error means for the job: fail, try again, or wait."""

import re
from datetime import timedelta

from analysis_jobs.base.errors import Defer, Fail, JobError, Retry

# Error names of the model services, with what to do and the code that the caller sees.
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
_LONGEST_RETRY_AFTER = timedelta(hours=1)


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
