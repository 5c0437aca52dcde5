"""Why a request is refused. The HTTP API maps each error to a problem; a backend in process catches them.

RequestError
|-- InvalidRequestError         some fields are wrong
|-- IdempotencyKeyReusedError   the key came with another request before
|-- UnknownResourceError        this tenant has no such job, file or subject
|-- JobExpiredError             the job existed, and its row is gone
|-- StateConflictError          the job's state forbids it
|-- NotAdmittedError            the admission policy skipped it, and there is no job to return
|-- RateLimitedError            the admission policy's rate is reached
`-- TooBusyError                too many concurrent submissions of one subject or rate
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic import ValidationError

from analysis_jobs.base.errors import AnalysisJobsError

MAX_FIELD_ERRORS = 20  # an answer names no more of them


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. `field` is its path in the request, for example `input.document`."""

    field: str
    message: str


class RequestError(AnalysisJobsError):
    """The root of these errors. Its text is for the caller."""


class InvalidRequestError(RequestError):
    """Some fields are wrong; `errors` names each with its fix."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors[:MAX_FIELD_ERRORS]))
        self.errors = errors

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        """Return the error for one field."""
        return cls([FieldError(field, message)])

    def without_prefix(self, prefix: str) -> Self:
        """Return the same error with `prefix` removed from the field names."""
        return type(self)([replace(error, field=error.field.removeprefix(prefix)) for error in self.errors])


class IdempotencyKeyReusedError(RequestError):
    """The idempotency key came with a different request before."""


class UnknownResourceError(RequestError):
    """There is no such thing. A job of another tenant looks the same."""


class JobExpiredError(RequestError):
    """The idempotency key made a job whose row has expired."""


class StateConflictError(RequestError):
    """The job's state forbids the request."""


class NotAdmittedError(RequestError):
    """The policy skipped the submission, and its subject has no job to return."""


class RateLimitedError(RequestError):
    """The policy's rate is reached. `retry_after_s` is at least 1; `reason` is for the caller."""

    def __init__(self, message: str, retry_after_s: int, reason: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reason = reason


class TooBusyError(RequestError):
    """Too many concurrent submissions. The same request may succeed a second later."""


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """Return pydantic's errors as field errors. `prefix` goes before each path."""
    return [
        FieldError(".".join(map(str, ((prefix,) if prefix else ()) + found["loc"])) or "body", found["msg"])
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
