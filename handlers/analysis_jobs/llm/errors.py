"""Turns the error of a model service into `Fail`, `Retry` or `Defer`."""

import re
from datetime import timedelta

from analysis_jobs.base.errors import Defer, Fail, JobError, Retry

# By error name: the error that it becomes, and the code that the caller sees.
# Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
# (names within a stream begin with a lower case letter). Gemini: https://ai.google.dev/gemini-api/docs/troubleshooting
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
# The question is too long for the model, in the words of the vendors behind Bedrock and of Gemini.
_CONTEXT_EXCEEDED = re.compile(
    r"(input|prompt|context|request|conversation) (is|was) too (long|large) for"
    r"|(input|prompt|conversation) is too long"
    r"|input length and .{0,3}max_tokens.{0,3} exceed"
    r"|too many total text bytes"
    r"|too many input tokens|input tokens exceeded|number of input tokens exceeds"
    r"|(input|prompt) (token count|tokens?)\b.{0,40}\bexceeds?\b"
    r"|exceeds? (the )?(model'?s? )?(maximum|max) (number of tokens allowed|context|input (length|tokens))"
    r"|maximum context (length|size|window)|context[ _](length|window)[ _]exceeded"
    r"|exceeds? (the|this model'?s?|its) (available )?context (length|size|window|limit)"
    r"|expected maxlength: \d+, actual: \d+",
    re.IGNORECASE,
)
_LONGEST_RETRY_AFTER = timedelta(hours=1)


def model_error(name: str, message: str, retry_after: str | None = None) -> JobError:
    """Return the error for a job. An unknown name becomes `Retry`. A question that is too long is told by its message.

    `name` is the service's name of the error. `retry_after` is the value of the `Retry-After` header, in seconds.
    """
    normalised = name[:1].upper() + name[1:]
    error_type, code = _MODEL_ERRORS.get(normalised, (Retry, "model_error"))
    if error_type is not Defer and _CONTEXT_EXCEEDED.search(message):
        return Fail("model_context_exceeded", f"{normalised}: {message}")
    if error_type is Fail:
        return Fail(code, f"{normalised}: {message}")
    return (Defer if error_type is Defer else Retry)(code, f"{normalised}: {message}", _seconds(retry_after))


def _seconds(retry_after: str | None) -> timedelta | None:
    """Return a `Retry-After` of at most an hour. None if it is missing, zero or a date: then the engine backs off."""
    if retry_after is None or not re.fullmatch(r"[0-9]{1,9}", retry_after) or int(retry_after) == 0:
        return None
    return min(timedelta(seconds=int(retry_after)), _LONGEST_RETRY_AFTER)
