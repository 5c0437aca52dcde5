"""The errors of a refused request. The HTTP API maps each to a problem. A backend in the same process catches them.

RequestError
|-- InvalidRequestError         some fields are wrong
|-- IdempotencyKeyReusedError   the key was used for a different request
|-- UnknownResourceError        this tenant has no such job, file or subject
|-- JobExpiredError             the job of the idempotency key has expired
|-- StateConflictError          the state of the job does not allow the request
|-- NotAdmittedError            the admission policy skipped it, and there is no job to return
|-- RateLimitedError            the admission policy's rate is reached
`-- TooBusyError                too many concurrent submissions of one subject or rate
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from analysis_jobs.base.errors import AnalysisJobsError
from analysis_jobs.base.field_errors import FieldError, describe

MAX_FIELD_ERRORS = 20  # a response names at most this many


class RequestError(AnalysisJobsError):
    """The base class of these errors. Its text is for the caller."""


class InvalidRequestError(RequestError):
    """Some fields are wrong. `errors` names each field and its fix."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(describe(errors[:MAX_FIELD_ERRORS]))
        self.errors = errors

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        """Return the error for one field."""
        return cls([FieldError(field, message)])

    def without_prefix(self, prefix: str) -> Self:
        """Return the same error with `prefix` removed from the field names."""
        return type(self)([replace(error, field=error.field.removeprefix(prefix)) for error in self.errors])


class IdempotencyKeyReusedError(RequestError):
    """The idempotency key was used for a different request."""


class UnknownResourceError(RequestError):
    """The job, file or subject does not exist, or belongs to another tenant."""


class JobExpiredError(RequestError):
    """The job that this idempotency key created has expired."""


class StateConflictError(RequestError):
    """The state of the job does not allow the request."""


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
