"""A client of the API: what a front end does, in a few lines.

CallError
├ ApiError           it answered, and refused
└ UnreachableError   it did not answer
"""

import json as json_
import math
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any
from urllib.parse import quote, urlencode

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.client.proxies import pool_through, proxy_of

CONNECT_TIMEOUT_S = 10.0
# An HTTP API ends a request at 30 s.
READ_TIMEOUT_S = 35.0
ENDED = frozenset({"completed", "failed", "cancelled"})
# Full jitter below 1, 2, 4 … s: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_FOUND = 302
_NOT_MODIFIED = 304
_TOO_MANY = 429

type Job = dict[str, Any]


class CallError(Exception):
    """A call did not get what it asked for; `passing` tells whether the same call may succeed later."""

    passing = True
    retry_after_s: float | None = None


class UnreachableError(CallError):
    """Nobody answered, or the answer broke off."""


class ApiError(CallError):
    """The API refused: its status code, and its problem details (RFC 9457) if it sent any."""

    def __init__(self, where: str, response: BaseHTTPResponse) -> None:
        self.status = response.status
        self.problem = _problem(response)
        # Where a policy lets nothing in, it is the caller's to decide whether to wait for so long.
        limited = self.problem.get("outcome") == "limited"
        self.passing = (self.status == _TOO_MANY and not limited) or self.status >= 500  # noqa: PLR2004 - HTTP's classes
        self.retry_after_s = _seconds(response.headers.get("Retry-After"))
        self.detail = str(self.problem.get("detail") or self.problem.get("message") or self.problem)
        super().__init__(f"{where} answered {self.status}: {self.detail}")


class Client:
    """The API at `url`, called with a tenant's token.

    `ca_bundle` is the file of who is trusted instead of whom the system trusts. With `tries` over 1 a call that was
    told 429 or 5xx, or nothing, is made again after a pause: all of them change nothing when they are repeated, but for
    a `submit` without a key.
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

    def call(  # noqa: PLR0913 - what a request can have
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        """Send one request below the API's URL. Raises CallError for every answer that is not one (status 200 to 304).

        `json` is the body, or `data` is, as it stands; of `params` those that are None are left out.
        """
        query = urlencode({name: value for name, value in (params or {}).items() if value is not None})
        given = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if json is not None:
            data, given = json_.dumps(json).encode(), given | {"Content-Type": "application/json"}
        url = f"{self.url}{path}?{query}" if query else f"{self.url}{path}"
        return self._patiently(lambda: self._send(method, url, body=data, headers=given | dict(headers or {})))

    def upload(self, document: Path) -> str:
        """Put a file where the analyses can read it; returns the name that a job's input takes."""
        content = document.read_bytes()
        kind = mimetypes.guess_type(document.name)[0] or "application/octet-stream"
        asked = {"filename": document.name, "content_type": kind, "size": len(content)}
        allowed = self.call("POST", "/uploads", json=asked).json()
        form = allowed["upload"]
        # The form carries its own permission: S3 must not see the caller's token. What follows the file it ignores.
        fields = {**form["fields"], "file": (document.name, content, kind)}
        self._patiently(lambda: self._send("POST", form["url"], fields=fields))
        return str(allowed["document"])

    def submit(
        self, analysis: str, request: dict[str, Any], *, idempotency_key: str | None = None, **options: Any
    ) -> Job:
        """Hand in a job; `options` are the other members of the body (subject, priority, …)."""
        body = {"analysis": analysis, "input": request, **options}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        accepted: Job = self.call("POST", "/jobs", json=body, headers=headers).json()
        return accepted

    def job(self, job_id: str, *, wait_s: int = 0) -> Job:
        """Return the job as it is; with `wait_s` (1..25), once it has ended, or then."""
        status: Job = self.call("GET", _path(job_id), params={"wait": wait_s or None}).json()
        return status

    def download(self, job_id: str, name: str) -> bytes:
        """Return a file of a job, one of those that its status names."""
        given = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        path = f"{self.url}{_path(job_id)}/files/{quote(name, safe='')}"
        lead = self._patiently(lambda: self._send("GET", path, headers=given, leads=True))
        # The link carries its own permission: S3 must not see the caller's token.
        return self._patiently(lambda: self._send("GET", lead.headers["Location"])).data

    def jobs(self, **filters: object) -> Iterator[Job]:
        """Yield jobs, newest first; `filters` are the query's (status, client, subject, from, to, limit a page)."""
        cursor = None
        while True:
            page = self.call("GET", "/jobs", params={**filters, "cursor": cursor}).json()
            yield from page["jobs"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def cancel(self, job_id: str) -> Job:
        """Ask that a job be cancelled, and return it."""
        job: Job = self.call("POST", f"{_path(job_id)}/cancel").json()
        return job

    def retry(self, job_id: str) -> Job:
        """Have a failed or cancelled job run again, and return it; one that is under way is returned as it is."""
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
        """Ask every `poll_s` until the job has ended, however; each answer is held back for up to `wait_s` (see `job`).

        Raises TimeoutError with the last status seen.
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

    def _patiently(self, send: Callable[[], BaseHTTPResponse]) -> BaseHTTPResponse:
        for number in range(1, self._tries):
            try:
                return send()
            except CallError as error:
                if not error.passing:
                    raise
                self._clock.sleep(timedelta(seconds=_pause_s(error, number)))
        return send()

    def _send(self, method: str, url: str, *, leads: bool = False, **options: Any) -> BaseHTTPResponse:
        where = f"{method} {url.partition('?')[0]}"
        proxy = proxy_of(url)
        pool = self._pools.get(proxy)
        if pool is None:
            pool = self._pools[proxy] = pool_through(proxy, ca_certs=self._ca_bundle)
        timeout = Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
        try:
            response = pool.request(method, url, timeout=timeout, retries=False, **options)
        except HTTPError as error:
            raise UnreachableError(f"{where} cannot be reached: {error}") from error
        # A redirect is none of ours: a token is not sent to wherever it leads.
        if leads and response.status == _FOUND and "Location" in response.headers:
            return response
        if response.status >= 300 and response.status != _NOT_MODIFIED:  # noqa: PLR2004 - HTTP's classes
            raise ApiError(where, response)
        return response


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def _problem(response: BaseHTTPResponse) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {"detail": response.data.decode("utf-8", "replace").strip()}


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After`; its other form, a date, is not one that API Gateway sends."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _pause_s(error: CallError, number: int) -> float:
    """Return how long to wait after the `number`-th failure in a row."""
    jittered = SystemRandom().uniform(0, math.ldexp(_FIRST_PAUSE_S, number - 1))
    return min(_LONGEST_PAUSE_S, max(jittered, error.retry_after_s or 0))
