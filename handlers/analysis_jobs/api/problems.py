"""Error bodies: RFC 9457 problem details that name the field and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from analysis_jobs.jobs import request_errors as refused
from analysis_jobs.jobs.request_errors import MAX_FIELD_ERRORS, FieldError, RequestError

_MAX_CHARACTERS = 500  # of each text: an answer must not repeat a whole request


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An HTTP answer that reports an error."""

    def __init__(  # noqa: PLR0913 - the members of RFC 9457
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        headers: dict[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members or {}

    def body(self) -> dict[str, Any]:
        """Return the problem details object. Long texts are cut, and many field errors are reduced to the first 20."""
        details: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": _clipped(self.detail),
            **self.members,
        }
        errors = [
            {name: _clipped(text) for name, text in asdict(error).items()} for error in self.errors[:MAX_FIELD_ERRORS]
        ]
        return details | ({"errors": errors} if errors else {})


# Each error of the logic, with the status and title that callers see.
_STATUS: dict[type[RequestError], tuple[HTTPStatus, str]] = {
    refused.InvalidRequestError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"),
    refused.IdempotencyKeyReusedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key reused"),
    refused.UnknownResourceError: (HTTPStatus.NOT_FOUND, "Not found"),
    refused.JobExpiredError: (HTTPStatus.GONE, "Gone"),
    refused.StateConflictError: (HTTPStatus.CONFLICT, "Conflict"),
    refused.NotAdmittedError: (HTTPStatus.CONFLICT, "Not admitted"),
    refused.RateLimitedError: (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    refused.TooBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "Busy"),
}


def problem_of(error: RequestError) -> Problem:
    """Return the HTTP answer to an error of the logic."""
    status, title = _STATUS[type(error)]
    match error:
        case refused.InvalidRequestError():
            return Problem(status, title, str(error), error.errors)
        case refused.IdempotencyKeyReusedError():
            field = FieldError("Idempotency-Key", "was used for another request")
            return Problem(status, title, str(error), (field,))
        case refused.RateLimitedError():
            members = {"outcome": "limited", "reason": dict(error.reason)}
            return Problem(
                status, title, str(error), headers={"Retry-After": str(error.retry_after_s)}, members=members
            )
        case refused.TooBusyError():
            return Problem(status, title, str(error), headers={"Retry-After": "1"})
    return Problem(status, title, str(error))


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
