"""Error responses: RFC 9457 problem details that name the field and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from analysis_jobs.base.field_errors import FieldError
from analysis_jobs.jobs import request_errors
from analysis_jobs.jobs.request_errors import MAX_FIELD_ERRORS, RequestError

_MAX_CHARACTERS = 500  # of each text, so that a response does not repeat a whole request


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An error response.

    `members` are extension members of the problem details, for example `outcome`.
    """

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
        """Return the problem details object. It has at most 20 field errors, and each text is cut at 500 characters."""
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


# The status and the title of each request error.
_STATUS: dict[type[RequestError], tuple[HTTPStatus, str]] = {
    request_errors.InvalidRequestError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request"),
    request_errors.IdempotencyKeyReusedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key reused"),
    request_errors.UnknownResourceError: (HTTPStatus.NOT_FOUND, "Not found"),
    request_errors.JobExpiredError: (HTTPStatus.GONE, "Gone"),
    request_errors.StateConflictError: (HTTPStatus.CONFLICT, "Conflict"),
    request_errors.NotAdmittedError: (HTTPStatus.CONFLICT, "Not admitted"),
    request_errors.RateLimitedError: (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    request_errors.TooBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "Busy"),
}


def problem_from(error: RequestError) -> Problem:
    """Return the problem for a request error."""
    status, title = _STATUS[type(error)]
    match error:
        case request_errors.InvalidRequestError():
            return Problem(status, title, str(error), error.errors)
        case request_errors.IdempotencyKeyReusedError():
            field = FieldError("Idempotency-Key", "it was used for a different request: send a new key")
            return Problem(status, title, str(error), (field,))
        case request_errors.RateLimitedError():
            members = {"outcome": "limited", "reason": dict(error.reason)}
            return Problem(
                status, title, str(error), headers={"Retry-After": str(error.retry_after_s)}, members=members
            )
        case request_errors.TooBusyError():
            return Problem(status, title, str(error), headers={"Retry-After": "1"})
    return Problem(status, title, str(error))


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
