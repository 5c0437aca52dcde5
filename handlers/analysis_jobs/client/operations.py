"""What the clients do over HTTP, without any input or output of its own.

Each operation is a generator. It yields a `Request` and receives its `Response`, or yields a `Pause`. `Client` and
`AsyncClient` run the same operations, one with blocking calls and one in an event loop.
"""

import json
import math
import mimetypes
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin
from uuid import uuid4

from analysis_jobs.base.clock import Clock, rfc3339
from analysis_jobs.client.errors import (
    ClientError,
    NotAdmitted,
    Refused,
    Rejected,
    Unreachable,
    WaitTimeout,
    problem_of,
    rejection,
    retry_after_of,
)
from analysis_jobs.client.interface import ListOptions, Model, Named, SubmitOptions
from analysis_jobs.client.jobs import (
    JobFile,
    JobInfo,
    Result,
    Submitted,
    UploadForm,
    plain_input,
    submitted_from_json,
    upload_form_from_json,
)
from analysis_jobs.client.results import validated

# An HTTP API ends a request after 30 s, so a long poll takes at most 25.
_LONG_POLL_S = 20
# The API answers a long poll at once if too many requests wait. Then the client waits this long, longer each time.
_FIRST_POLL_S = 0.5
_LAST_POLL_S = 5.0
# Full jitter below 0.5, 1, 2 … s: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_PAUSE_S = 0.5
_LAST_PAUSE_S = 20.0
_NOT_MODIFIED = 304
_UNAUTHORIZED = 401
_UNPROCESSABLE = 422
_DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Request:
    """One HTTP request. `file` is the name, the content and the type of a file to post after the fields of a form.

    Only a request to the API is `signed`: S3 must not see the caller's token.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    form: Mapping[str, str] | None = None
    file: tuple[str, bytes, str] | None = None
    signed: bool = True

    @property
    def where(self) -> str:
        """The method and the URL without its query, which may be a credential."""
        return f"{self.method} {self.url.partition('?')[0]}"


@dataclass(frozen=True)
class Response:
    """The answer to a request. `status` is the HTTP status code. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Pause:
    """A time to wait, in seconds."""

    seconds: float


Outcome = TypeVar("Outcome")
Operation = Generator[Request | Pause, Response, Outcome]


@dataclass
class Operations:
    """The operations of one client.

    `tries` limits the requests for one call. A first connection to the host is tried for `connect_timeout_s` in all.
    `explain_unauthorized` returns what is probably wrong with the credentials.
    """

    url: str
    clock: Clock
    tries: int
    connect_timeout_s: float
    explain_unauthorized: Callable[[], str]
    reached: bool = False

    def request(
        self, method: str, path: str, json_body: object, query: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> Operation[Response]:
        """Send a request to a path of the API. A POST gets an idempotency key, so that it is safe to repeat."""
        sent = dict(headers)
        if method.upper() == "POST" and "idempotency-key" not in {name.lower() for name in sent}:
            sent["Idempotency-Key"] = str(uuid4())
        return (yield from self._call(method, path, json_body=json_body, query=query, headers=sent))

    def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, options: SubmitOptions
    ) -> Operation[Submitted]:
        """Submit a job. The idempotency key makes it safe to send the request again."""
        named = analysis if isinstance(analysis, str) else analysis.name
        members = {name: value for name, value in options.items() if name != "idempotency_key" and value is not None}
        headers = {"Idempotency-Key": options.get("idempotency_key") or str(uuid4())}
        body = {"analysis": named, "input": checked_input(job_input), **members}
        answer = (yield from self._call("POST", "/jobs", json_body=body, headers=headers)).json()
        if answer["job_id"] is None:
            raise NotAdmitted(answer.get("reason") or {})
        return submitted_from_json(answer)

    def upload(self, source: Path | bytes, filename: str | None, content_type: str | None) -> Operation[str]:
        """Upload a document with a presigned form."""
        name, content, kind = document_of(source, filename, content_type)
        form = yield from self.upload_form(name, kind, len(content))
        yield from self._exchange(Request("POST", form.url, form=form.fields, file=(name, content, kind), signed=False))
        return form.document

    def upload_form(self, filename: str, content_type: str, size: int) -> Operation[UploadForm]:
        """Ask for a presigned form."""
        asked = {"filename": filename, "content_type": content_type, "size": size}
        return upload_form_from_json((yield from self._call("POST", "/uploads", json_body=asked)).json())

    def status(self, job_id: str) -> Operation[JobInfo]:
        """Return the state of a job."""
        return JobInfo.from_json((yield from self._call("GET", _path(job_id))).json())

    def wait(self, job_id: str, timeout_s: float, on_status: Callable[[JobInfo], None] | None) -> Operation[JobInfo]:
        """Poll until the job has ended. With `on_status`, each change of the job ends a poll."""
        until = self.clock.now() + timedelta(seconds=timeout_s)
        answer = yield from self._call("GET", _path(job_id))
        poll_s = _FIRST_POLL_S
        while True:
            if answer.status != _NOT_MODIFIED:
                job = JobInfo.from_json(answer.json())
                tag = answer.headers.get("etag")
                if on_status:
                    on_status(job)
            if job.ended:
                return job
            asked = self.clock.now()
            left = (until - asked).total_seconds()
            if left <= 0:
                raise WaitTimeout(f"job {job_id} was still {job.status} after {timeout_s:g} s", job)
            headers = {"If-None-Match": tag} if on_status and tag else {}
            query = {"wait": max(1, min(_LONG_POLL_S, math.ceil(left)))}
            answer = yield from self._call("GET", _path(job_id), query=query, headers=headers)
            # A long poll that was answered early, although nothing has changed, was not allowed to wait.
            rest = poll_s - (self.clock.now() - asked).total_seconds()
            if rest > 0:
                yield Pause(min(rest, max(left, 0)))
                poll_s = min(_LAST_POLL_S, poll_s * 1.5)

    def result(self, job_id: str, type_: type[Result], timeout_s: float) -> Operation[Result]:
        """Return the result of a job in a type. Follow `result_url` if the result was too large for the answer."""
        job = yield from self._ended(job_id, timeout_s)
        found = job.result
        if job.result_url:
            found = (yield from self._exchange(Request("GET", job.result_url, signed=False))).json()
        return validated(job, found, type_)

    def files(self, job_id: str) -> Operation[tuple[JobFile, ...]]:
        """Return the files of a job."""
        return (yield from self.status(job_id)).files

    def download(self, job_id: str, name: str) -> Operation[bytes]:
        """Return the content of a file."""
        url = yield from self.download_url(job_id, name)
        return (yield from self._exchange(Request("GET", url, signed=False))).body

    def download_url(self, job_id: str, name: str) -> Operation[str]:
        """Return the presigned URL of a file. With this `Accept` header the answer is no redirect."""
        path = f"{_path(job_id)}/files/{quote(name, safe='')}"
        answer = yield from self._call("GET", path, headers={"Accept": "application/json"})
        return str(answer.json()["url"])

    def cancel(self, job_id: str) -> Operation[JobInfo]:
        """Cancel a job."""
        return JobInfo.from_json((yield from self._call("POST", f"{_path(job_id)}/cancel")).json())

    def retry(self, job_id: str) -> Operation[JobInfo]:
        """Run a job again."""
        return JobInfo.from_json((yield from self._call("POST", f"{_path(job_id)}/retry")).json())

    def page(self, options: ListOptions, cursor: str | None) -> Operation[tuple[tuple[JobInfo, ...], str | None]]:
        """Return one page of jobs and the cursor of the next page, None on the last."""
        query = list_query(options) | {"cursor": cursor}
        answer = (yield from self._call("GET", "/jobs", query=query)).json()
        return tuple(JobInfo.from_json(job) for job in answer["jobs"]), answer["next_cursor"]

    def _ended(self, job_id: str, timeout_s: float) -> Operation[JobInfo]:
        if timeout_s > 0:
            return (yield from self.wait(job_id, timeout_s, None))
        return (yield from self.status(job_id))

    def _call(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Operation[Response]:
        """Send a request to a path of the API. Query parameters with the value None are left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        # `%20` instead of `+`, as Signature Version 4 wants it.
        url = self.url + path + (f"?{urlencode(given, quote_via=quote)}" if given else "")
        sent = dict(headers or {})
        body = None
        if json_body is not None:
            body = _encoded(json_body)
            sent["Content-Type"] = "application/json"
        return (yield from self._exchange(Request(method, url, sent, body)))

    def _exchange(self, request: Request) -> Operation[Response]:
        """Send a request until it succeeds. Raises the error of the last try.

        Every request is safe to repeat: a submission has an idempotency key.
        """
        give_up = self.clock.now() + timedelta(seconds=self.connect_timeout_s)
        number = 0
        while True:
            number += 1
            try:
                response = yield request
                self.reached = True
                if response.status < 300 or response.status == _NOT_MODIFIED:  # noqa: PLR2004 - 2xx
                    return response
                raise self._rejection(request, response)
            except ClientError as error:
                pause_s = _pause_s(error, number)
                if not error.retryable or not self._may_retry(error, number, pause_s, give_up):
                    raise
            yield Pause(pause_s)

    def _rejection(self, request: Request, response: Response) -> Rejected:
        problem = problem_of(response.body)
        if response.status == _UNAUTHORIZED and request.signed:
            said = problem.get("detail") or problem.get("message") or "Unauthorized"
            problem["detail"] = f"{said}: {self.explain_unauthorized()}"
        return rejection(request.where, response.status, problem, retry_after_of(response.headers.get("retry-after")))

    def _may_retry(self, error: ClientError, number: int, pause_s: float, give_up: datetime) -> bool:
        if (error.retry_after or 0) > _LAST_PAUSE_S:
            return False  # the caller decides whether to wait so long
        if isinstance(error, Unreachable) and not error.connected and not self.reached:
            # A wrong URL must be reported soon. Only an API that has answered before is waited for.
            return self.clock.now() + timedelta(seconds=pause_s) < give_up
        return number < self.tries


def checked_input(job_input: Mapping[str, Any] | Model) -> dict[str, Any]:
    """Return an input as JSON. Raises `Refused` if it is not JSON."""
    try:
        return plain_input(job_input)
    except (TypeError, ValueError) as error:
        message = f"this is not JSON: {error}"
        problem = {
            "title": "Invalid request",
            "status": _UNPROCESSABLE,
            "detail": f"input: {message}",
            "errors": [{"field": "input", "message": message}],
        }
        raise Refused("submit", _UNPROCESSABLE, problem) from error


def document_of(source: Path | bytes, filename: str | None, content_type: str | None) -> tuple[str, bytes, str]:
    """Return the file name, the content and the content type of a document. Raises `ValueError` without a name."""
    if isinstance(source, bytes):
        content = source
        if not filename:
            raise ValueError("give a filename for bytes: its extension is part of the document's name")
    else:
        content = Path(source).read_bytes()
        filename = filename or Path(source).name
    return filename, content, content_type or mimetypes.guess_type(filename)[0] or _DEFAULT_TYPE


def list_query(options: ListOptions) -> dict[str, Any]:
    """Return the filters of a list as the query of `GET /jobs`."""
    since, until = options.get("since"), options.get("until")
    return {
        "status": options.get("status"),
        "client": options.get("client"),
        "subject": options.get("subject"),
        "from": rfc3339(since) if since else None,
        "to": rfc3339(until) if until else None,
        "limit": 100,
    }


def api_url(url: str) -> str:
    """Return the base URL of an API without a trailing slash. Raises `ValueError` if it is not an http(s) URL."""
    if not url.startswith(("https://", "http://")) or urljoin(url, "/") in ("https:///", "http:///"):
        raise ValueError(f"{url!r} is not the URL of an API: give one such as https://jobs.example.com")
    return url.rstrip("/")


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _encoded(value: object) -> bytes:
    """Return JSON in UTF-8: Lambda counts the bytes, and an escaped character has up to twelve of them."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which the API refuses with the name of the field
        return json.dumps(value).encode()


def _pause_s(error: ClientError, number: int) -> float:
    """Return how long to wait after the `number`-th failure in a row."""
    jittered = SystemRandom().uniform(0, math.ldexp(_FIRST_PAUSE_S, number - 1))
    return min(_LAST_PAUSE_S, max(jittered, error.retry_after or 0))
