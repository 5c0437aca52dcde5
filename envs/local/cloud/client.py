"""A client of the API, for the demo and the system tests: what a front end does, in a few lines."""

import mimetypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

TIMEOUT_S = 30.0
ENDED = {"completed", "failed", "cancelled"}


class ApiError(Exception):
    """The API refused: its status code, and its problem details (RFC 9457) if it sent any."""

    def __init__(self, response: requests.Response) -> None:
        try:
            self.problem: dict[str, Any] = response.json()
        except requests.JSONDecodeError:
            self.problem = {"detail": response.text}
        self.status = response.status_code
        super().__init__(f"{response.request.method} {response.url}: {self.status} {self.problem}")


class Client:
    """The API at `url`, called with a tenant's token; `ca_bundle` is the file of who is trusted."""

    def __init__(self, url: str, token: str | None, *, ca_bundle: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._session, self._anonymous = requests.Session(), requests.Session()
        for session in (self._session, self._anonymous):
            # A proxy or a .netrc of this machine has no business with a server on it.
            session.trust_env = False
            session.verify = str(ca_bundle) if ca_bundle else True
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """Send one request below the API's URL. Raises ApiError for every status from 400 on."""
        response = self._session.request(method, self.url + path, **{"timeout": TIMEOUT_S, **options})
        if not response.ok:
            raise ApiError(response)
        return response

    def upload(self, document: Path) -> str:
        """Put a file where the analyses can read it; returns the name that a job's input takes."""
        content = document.read_bytes()
        kind = mimetypes.guess_type(document.name)[0] or "application/octet-stream"
        asked = {"filename": document.name, "content_type": kind, "size": len(content)}
        allowed = self.call("POST", "/uploads", json=asked).json()
        form = allowed["upload"]
        # The form carries its own permission: S3 must not see the caller's token.
        file = {"file": (document.name, content, kind)}
        response = self._anonymous.post(form["url"], data=form["fields"], files=file, timeout=TIMEOUT_S)
        if not response.ok:
            raise ApiError(response)
        return str(allowed["document"])

    def submit(self, analysis: str, request: dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Hand in a job; `options` are the other members of the body (subject, priority, …)."""
        body = {"analysis": analysis, "input": request, **options}
        accepted: dict[str, Any] = self.call("POST", "/jobs", json=body).json()
        return accepted

    def job(self, job_id: str, *, wait_s: int = 0) -> dict[str, Any]:
        """Return the job as it is; with `wait_s` (1..25), once it has changed, or then."""
        query = {"wait": wait_s} if wait_s else {}
        status: dict[str, Any] = self.call("GET", f"/jobs/{job_id}", params=query).json()
        return status

    def ended(
        self,
        job_id: str,
        *,
        timeout_s: float = 300.0,
        poll_s: float = 0.5,
        on_status: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Poll until the job has ended, however. Raises TimeoutError with the last status seen."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.job(job_id)
            on_status(status)
            if status["status"] in ENDED:
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"Job {job_id} has not ended in {timeout_s:.0f} s: {status}")
            time.sleep(poll_s)
