"""Runs one real job through a deployed API and tells whether it completed.

`smoke.py URL --analysis rfp-analysis --document rfp.pdf` with a token in ANALYSIS_JOBS_TOKEN.
"""

import argparse
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TOKEN_VARIABLE = "ANALYSIS_JOBS_TOKEN"  # noqa: S105 - the name of the variable
REQUEST_TIMEOUT_S = 30
# An HTTP API ends a request at 30 s, so it holds a long poll no longer than this.
LONG_POLL_S = 20
ENDED = {"completed", "failed", "cancelled"}


class SmokeError(Exception):
    """The job could not be run, or did not end well; the message says how."""


@dataclass(frozen=True)
class Api:
    """An API at `url`, called with `token`."""

    url: str
    token: str

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON answer. Raises SmokeError with the answer to a refused request."""
        request = Request(self.url.rstrip("/") + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        if body is not None:
            request.data = json.dumps(body).encode()
        answer: dict[str, Any] = json.loads(_send(request))
        return answer


def upload(api: Api, document: Path) -> str:
    """Upload a PDF the way a browser does and return the document to name in a job's input."""
    content = document.read_bytes()
    wanted = {"filename": document.name, "content_type": "application/pdf", "size": len(content)}
    answer = api.call("POST", "/uploads", wanted)
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in answer["upload"]["fields"].items()
    ]
    # S3 ignores every field after the file.
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{document.name}"\r\n\r\n'
    form = b"".join([*parts, file.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    request = Request(answer["upload"]["url"], data=form, method="POST")
    request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
    _send(request)
    name: str = answer["document"]
    return name


def run_job(api: Api, analysis: str, values: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Submit a job, wait for its end, and return it.

    Raises SmokeError where it does not complete within `timeout_s`.
    """
    submitted = api.call("POST", "/jobs", {"analysis": analysis, "input": values})
    job_id = submitted["job_id"]
    print(f"Submitted {analysis} as job {job_id}")
    give_up = time.monotonic() + timeout_s
    seen = ""
    while time.monotonic() < give_up:
        asked = time.monotonic()
        job = api.call("GET", f"/jobs/{job_id}?wait={LONG_POLL_S}")
        if job["status"] != seen:
            seen = job["status"]
            print(f"  {seen}")
        if seen in ENDED:
            return _completed(job)
        # Where the long poll comes back at once, do not hammer.
        time.sleep(max(0.0, 1 - (time.monotonic() - asked)))
    raise SmokeError(f"Job {job_id} was still {seen or 'unseen'} after {timeout_s:.0f} s.")


def require_version(job: dict[str, Any], code_version: str) -> None:
    """Refuse a job that other code than `code_version` has done."""
    if job.get("code_version") != code_version:
        ran = job.get("code_version")
        raise SmokeError(f"Job {job['job_id']} was run by version {ran}, and {code_version} was deployed.")


def _completed(job: dict[str, Any]) -> dict[str, Any]:
    if job["status"] != "completed":
        error = job.get("error") or {}
        reason = f"{error.get('code', 'no code')}: {error.get('message', 'no message')}"
        raise SmokeError(f"Job {job['job_id']} {job['status']}: {reason}")
    return job


def _send(request: Request) -> bytes:
    where = f"{request.get_method()} {request.full_url.partition('?')[0]}"
    try:
        with urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:
            body: bytes = response.read()
            return body
    except HTTPError as error:
        with error:
            said = error.read().decode("utf-8", "replace").strip()
        raise SmokeError(f"{where} answered {error.code}: {said}") from error
    except URLError as error:
        raise SmokeError(f"{where} cannot be reached: {error.reason}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit status: 0 only where it completed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="the API")
    parser.add_argument("--analysis", required=True)
    parser.add_argument("--document", type=Path, help="a PDF to upload, the input's `document`")
    parser.add_argument("--input", type=json.loads, default={}, help="the input's other fields, JSON")
    parser.add_argument("--code-version", help="the version that must have done the work")
    parser.add_argument("--timeout-s", type=float, default=600)
    options = parser.parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        print(f"{TOKEN_VARIABLE} is not set: the API wants a token.", file=sys.stderr)
        return 2
    api = Api(options.url, token)
    try:
        document = {"document": upload(api, options.document)} if options.document else {}
        job = run_job(api, options.analysis, {**options.input, **document}, timeout_s=options.timeout_s)
        if options.code_version:
            require_version(job, options.code_version)
    except SmokeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Completed by version {job.get('code_version')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
