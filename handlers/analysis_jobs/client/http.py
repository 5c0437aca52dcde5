"""A client of the HTTP API, for the command line, the tools and the tests.

CallError
├ ApiError           the API refused the request
└ UnreachableError   the API did not answer
"""

import json as json_
import math
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.client.errors import problem_of, retry_after_of
from analysis_jobs.client.proxies import connection_pool, proxy_of

CONNECT_TIMEOUT_S = 10.0
# An API Gateway HTTP API ends a request after 30 s.
READ_TIMEOUT_S = 35.0
ENDED = frozenset({"completed", "failed", "cancelled"})
# Full jitter below 1, 2, 4 … s: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 30.0
_FOUND = 302
_NOT_MODIFIED = 304
_TOO_MANY = 429

Job: TypeAlias = dict[str, Any]


class CallError(Exception):
    """A call failed. `retryable` tells whether the same call may succeed later."""

    retryable = True
    retry_after_s: float | None = None


class UnreachableError(CallError):
    """The API did not answer, or the connection broke during the answer."""


class ApiError(CallError):
    """The API refused the request. Has the status code and the problem details (RFC 9457).

    If the body is not a JSON object, `problem` contains it as `detail`.
    """

    def __init__(self, where: str, response: BaseHTTPResponse) -> None:
        self.status = response.status
        self.problem = problem_of(response.data)
        # An admission policy may limit for hours: the caller decides whether to wait so long.
        limited = self.problem.get("outcome") == "limited"
        self.retryable = (self.status == _TOO_MANY and not limited) or self.status >= 500  # noqa: PLR2004 - 5xx
        self.retry_after_s = retry_after_of(response.headers.get("Retry-After"))
        self.detail = str(self.problem.get("detail") or self.problem.get("message") or self.problem)
        super().__init__(f"{where} answered {self.status}: {self.detail}")


class Client:
    """Calls the API at `url` with a tenant's token.

    `ca_bundle` is a file of trusted CA certificates; it replaces the system's. With more than one of `tries`, a call is
    retried after 429, 5xx or no answer. Every call is safe to repeat, except `submit` without an idempotency key.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        ca_bundle: Path | None = None,
        tries: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._tries = tries
        self._clock = clock or SystemClock()
        self._ca_bundle = str(ca_bundle) if ca_bundle else None
        self._pools: dict[str | None, PoolManager] = {}

    def call(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        """Send one request to a path of the API. Raises `CallError` unless the status is 2xx or 304.

        The body is `json`, encoded, or `data`, unchanged. Query parameters with the value None are left out.
        """
        query = urlencode({name: value for name, value in (params or {}).items() if value is not None})
        given = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if json is not None:
            data, given = _encoded(json), given | {"Content-Type": "application/json"}
        url = f"{self.url}{path}?{query}" if query else f"{self.url}{path}"
        return self._with_retries(lambda: self._send(method, url, body=data, headers=given | dict(headers or {})))

    def upload(self, document: Path) -> str:
        """Upload a file. Return its name, for the field `document` of a job's input."""
        content = document.read_bytes()
        kind = mimetypes.guess_type(document.name)[0] or "application/octet-stream"
        asked = {"filename": document.name, "content_type": kind, "size": len(content)}
        allowed = self.call("POST", "/uploads", json=asked).json()
        form = allowed["upload"]
        # The form is presigned, so S3 must not see the caller's token. S3 ignores form fields after `file`.
        fields = {**form["fields"], "file": (document.name, content, kind)}
        self._with_retries(lambda: self._send("POST", form["url"], fields=fields))
        return str(allowed["document"])

    def submit(
        self, analysis: str, request: dict[str, Any], *, idempotency_key: str | None = None, **options: Any
    ) -> Job:
        """Submit a job. `options` are the other fields of the body (subject, priority, …)."""
        body = {"analysis": analysis, "input": request, **options}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        accepted: Job = self.call("POST", "/jobs", json=body, headers=headers).json()
        return accepted

    def job(self, job_id: str, *, wait_s: int = 0) -> Job:
        """Return the job now, or with `wait_s` (1 to 25) when it has ended or the time is over.

        If the result was too large for the answer, it is read from `result_url`.
        """
        status: Job = self.call("GET", _path(job_id), params={"wait": wait_s or None}).json()
        if url := status.get("result_url"):
            # The link is presigned, so S3 must not see the caller's token.
            status["result"] = self._with_retries(lambda: self._send("GET", url)).json()
        return status

    def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files. The job's status lists their names."""
        given = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        path = f"{self.url}{_path(job_id)}/files/{quote(name, safe='')}"
        redirect = self._with_retries(lambda: self._send("GET", path, headers=given, accept_redirect=True))
        # The link is presigned, so S3 must not see the caller's token.
        return self._with_retries(lambda: self._send("GET", redirect.headers["Location"])).data

    def jobs(self, **filters: object) -> Iterator[Job]:
        """Yield jobs, newest first. `filters` are status, client, subject, from, to, and limit (jobs per page)."""
        cursor = None
        while True:
            page = self.call("GET", "/jobs", params={**filters, "cursor": cursor}).json()
            yield from page["jobs"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def cancel(self, job_id: str) -> Job:
        """Request a job's cancellation, and return the job."""
        job: Job = self.call("POST", f"{_path(job_id)}/cancel").json()
        return job

    def retry(self, job_id: str) -> Job:
        """Run a failed or cancelled job again, and return it. An active job is returned unchanged."""
        job: Job = self.call("POST", f"{_path(job_id)}/retry").json()
        return job

    def ended(
        self,
        job_id: str,
        *,
        timeout_s: float = 300.0,
        poll_s: float = 0.5,
        wait_s: int = 0,
        on_status: Callable[[Job], None] = lambda _: None,
    ) -> Job:
        """Poll every `poll_s` until the job has ended, in any state. `wait_s` makes each poll a long poll; see `job`.

        Calls `on_status` with each answer. Raises `TimeoutError` after `timeout_s`.
        """
        deadline = self._clock.now() + timedelta(seconds=timeout_s)
        while True:
            asked = self._clock.now()
            job = self.job(job_id, wait_s=wait_s)
            on_status(job)
            if job["status"] in ENDED:
                return job
            now = self._clock.now()
            if now > deadline:
                raise TimeoutError(f"Job {job_id} was still {job['status']} after {timeout_s:.0f} s.")
            self._clock.sleep(max(timedelta(), asked + timedelta(seconds=poll_s) - now))

    def _with_retries(self, send: Callable[[], BaseHTTPResponse]) -> BaseHTTPResponse:
        for number in range(1, self._tries):
            try:
                return send()
            except CallError as error:
                if not error.retryable:
                    raise
                self._clock.sleep(timedelta(seconds=_pause_s(error, number)))
        return send()

    def _send(self, method: str, url: str, *, accept_redirect: bool = False, **options: Any) -> BaseHTTPResponse:
        where = f"{method} {url.partition('?')[0]}"
        proxy = proxy_of(url)
        pool = self._pools.get(proxy)
        if pool is None:
            pool = self._pools[proxy] = connection_pool(proxy, ca_certs=self._ca_bundle)
        timeout = Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
        try:
            response = pool.request(method, url, timeout=timeout, retries=False, **options)
        except HTTPError as error:
            raise UnreachableError(f"{where} cannot be reached: {error}") from error
        # Never follow a redirect here: the token must not be sent to another host.
        if accept_redirect and response.status == _FOUND and "Location" in response.headers:
            return response
        if response.status >= 300 and response.status != _NOT_MODIFIED:  # noqa: PLR2004 - 3xx and above
            raise ApiError(where, response)
        return response


def _encoded(value: object) -> bytes:
    """Return a body as JSON in UTF-8: Lambda counts its bytes, and an escaped letter has up to twelve of them."""
    try:
        return json_.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which the API refuses with the name of the field
        return json_.dumps(value).encode()


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _pause_s(error: CallError, number: int) -> float:
    """Return how long to wait after the `number`-th failure in a row."""
    jittered = SystemRandom().uniform(0, math.ldexp(_FIRST_PAUSE_S, number - 1))
    return min(_MAX_PAUSE_S, max(jittered, error.retry_after_s or 0))
