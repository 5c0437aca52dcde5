"""The errors of `Client` and `Backend`.

ClientError
|-- Unreachable         nothing answered: no such host, a bad certificate, a broken connection
|-- Rejected            the request was answered with an error; `status`, `problem` and `detail` describe it
|   |-- Unauthorized    401: the token is missing, expired or of another issuer
|   |-- Forbidden       403: the caller has no right to do this
|   |-- NotFound        404: this tenant has no such job or file
|   |-- Conflict        409: the state of the job does not allow it
|   |-- Expired         410: the job of this idempotency key has expired
|   |-- Refused         400, 413, 422: some fields are wrong; `errors` names each field and its fix
|   |-- Limited         429: too many requests or jobs; try again after `retry_after`
|   `-- Unavailable     5xx: the service failed or is overloaded
|-- NotAdmitted         the analysis' policy needs no new job, and the subject has no job to return
|-- NotFinished         the job has no result yet
|   `-- WaitTimeout     the job did not end within the time that the caller gave; also a `TimeoutError`
|-- JobFailed           the job ended without a result: it failed or was cancelled
`-- InvalidResult       the result does not fit the type that the caller asked for
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis_jobs.client.jobs import JobInfo

_SERVER_ERROR = 500


class ClientError(Exception):
    """The base class of these errors. `retryable` tells whether the same call may succeed later."""

    retryable = False
    retry_after: float | None = None


class Unreachable(ClientError):
    """Nothing answered. `connected` tells whether a connection was made before it broke.

    A bad certificate or an unusable URL is not `retryable`.
    """

    def __init__(self, message: str, *, connected: bool = False, retryable: bool = True) -> None:
        super().__init__(message)
        self.connected = connected
        self.retryable = retryable


@dataclass(frozen=True)
class FieldProblem:
    """An error in one field. `field` is its path in the request, for example `input.document`."""

    field: str
    message: str


class Rejected(ClientError):
    """The request was answered with an error.

    `problem` has the problem details (RFC 9457). If the answer has none, it contains the body as `detail`.
    `retry_after` is in seconds, None if the answer does not say.
    """

    def __init__(
        self, where: str, status: int, problem: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.problem = dict(problem or {})
        self.detail = str(self.problem.get("detail") or self.problem.get("message") or self.problem or "no details")
        self.retry_after = retry_after
        super().__init__(f"{where} answered {status}: {self.detail}")

    @property
    def errors(self) -> tuple[FieldProblem, ...]:
        """The fields that are wrong. Empty if the error is not about a field."""
        found = self.problem.get("errors")
        return tuple(
            FieldProblem(str(error.get("field")), str(error.get("message")))
            for error in (found if isinstance(found, list) else ())
            if isinstance(error, dict)
        )


class Unauthorized(Rejected):
    """401: the token is missing, expired or of another issuer, or the signature is wrong."""


class Forbidden(Rejected):
    """403: the caller has no right to do this, or the token names no valid tenant."""


class NotFound(Rejected):
    """404: this tenant has no such job or file."""


class Conflict(Rejected):
    """409: the state of the job does not allow the request."""


class Expired(Rejected):
    """410: the job that this idempotency key created has expired."""


class Refused(Rejected):
    """400, 413, 422: some fields are wrong. `errors` names each field and its fix."""


class Limited(Rejected):
    """429: too many requests, or the rate of the analysis is reached. Try again after `retry_after` seconds.

    `reason` is the rule of the analysis that limits the submission. It is empty if the API limits all requests.
    """

    @property
    def reason(self) -> Mapping[str, Any]:
        """The rule that limits the submission."""
        found = self.problem.get("reason")
        return found if isinstance(found, dict) else {}

    @property
    def retryable(self) -> bool:  # type: ignore[override]
        """Whether the same call may succeed soon. The rate of an analysis may limit for hours."""
        return self.problem.get("outcome") != "limited"


class Unavailable(Rejected):
    """5xx: the service failed or is overloaded."""

    retryable = True


class NotAdmitted(ClientError):
    """The policy of the analysis needs no new job, and the subject has no job to return. `reason` says why."""

    def __init__(self, reason: Mapping[str, Any]) -> None:
        self.reason = dict(reason)
        super().__init__(str(self.reason.get("message", "the submission was skipped")))


class NotFinished(ClientError):
    """The job is still queued or processing. `job` is its state."""

    retryable = True

    def __init__(self, message: str, job: JobInfo) -> None:
        super().__init__(message)
        self.job = job


class WaitTimeout(NotFinished, TimeoutError):
    """The job did not end within the time that the caller gave. It goes on. `job` is its last state."""


class JobFailed(ClientError):
    """The job failed or was cancelled, so it has no result. `job.error` says why."""

    def __init__(self, job: JobInfo) -> None:
        why = f": {job.error.code}: {job.error.message}" if job.error else ""
        super().__init__(f"job {job.job_id} is {job.status}{why}")
        self.job = job


class InvalidResult(ClientError):
    """The result does not fit the type that the caller asked for. The cause is pydantic's `ValidationError`."""


_BY_STATUS: dict[int, type[Rejected]] = {
    400: Refused,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: Refused,
    422: Refused,
    429: Limited,
}


def rejection(where: str, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> Rejected:
    """Return the error for a status code and its problem details. `where` names the call."""
    kind = _BY_STATUS.get(status, Unavailable if status >= _SERVER_ERROR else Rejected)
    return kind(where, status, problem, retry_after)


def problem_of(body: bytes) -> dict[str, Any]:
    """Return the problem details of an answer. A body that is not a JSON object becomes `detail`."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {"detail": body.decode("utf-8", "replace").strip()}


def retry_after_of(header: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header. Its other form, a date, is ignored: API Gateway never sends it."""
    return float(header) if header and header.isdecimal() else None
