"""The API over HTTP, with jobs in memory and network errors on demand."""

import base64
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.base.ids import first_id_at, new_id

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


def token_of(tenant: str) -> str:
    """Return a token that looks like the issuer's. Its signature is not checked here."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "op", "tenant": tenant}).encode()).decode().rstrip("=")
    return f"e30.{claims}.x"


class ApiServer(ThreadingHTTPServer):
    """Jobs by id, all calls in order, and the statuses to answer with instead, in order: `troubles[(method, path)]`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, dict[str, str], bytes]] = []
        self.troubles: dict[tuple[str, str], deque[tuple[int, dict[str, str], bytes]]] = {}
        self.retried: Counter[str] = Counter()
        self.largest_page = 100
        self.analyses = ["profile-interpretation", "rfp-analysis"]
        self.lock = threading.Lock()
        self._seconds = 0

    def add(self, status: str = "failed", code: str = "model_error", **fields: Any) -> str:
        """Add a job that is a second younger than the one before, and return its id."""
        self._seconds += 1
        created = START + timedelta(seconds=self._seconds)
        job_id = new_id(created)
        failed = {"code": code, "message": f"It was {code}.", "retryable": True}
        self.jobs[job_id] = {
            "job_id": job_id,
            "tenant": "acme",
            "analysis": "rfp-analysis",
            "status": status,
            "subject": None,
            "progress": 0,
            "stage": None,
            "error": failed if status == "failed" else None,
            "created_at": rfc3339(created),
            "finished_at": rfc3339(created) if status in {"failed", "completed", "cancelled"} else None,
            **fields,
        }
        return job_id

    def fail(self, job_id: str) -> None:
        """Make a job that was started again fail again."""
        self._seconds += 1
        self.jobs[job_id] |= {"status": "failed", "finished_at": rfc3339(START + timedelta(seconds=self._seconds))}
        self.jobs[job_id]["error"] = {"code": "model_error", "message": "Again.", "retryable": True}

    def trouble(self, method: str, path: str, *statuses: int, **headers: str) -> None:
        """Answer the next calls of a path with these statuses. 0 closes the connection."""
        answers = [(status, headers, b'{"message": "trouble"}') for status in statuses]
        self.troubles.setdefault((method, path), deque()).extend(answers)

    def asked(self, method: str, path: str) -> int:
        """Return how often a path was called."""
        return self.calls.count((method, path))


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of an `ApiServer`."""

    server: ApiServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.calls.append((self.command, url.path))
            self.server.bodies.append((self.path, dict(self.headers.items()), body))
            troubles = self.server.troubles.get((self.command, url.path))
            if troubles:
                status, headers, content = troubles.popleft()
                if not status:
                    self.close_connection = True
                    return
                self._send(status, content, headers)
                return
            status, answer = self.answer(url.path, parse_qs(url.query), body)
        self._send(status, json.dumps(answer).encode(), {})

    def answer(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        tenant = self._tenant()
        if path == "/bucket":
            return 200, {}
        if tenant is None:
            return 401, {"message": "Unauthorized"}
        if path == "/openapi.json":
            schema = {
                "discriminator": {"propertyName": "analysis", "mapping": dict.fromkeys(self.server.analyses, "#")}
            }
            content = {"application/json": {"schema": schema}}
            return 200, {"paths": {"/jobs": {"post": {"requestBody": {"content": content}}}}}
        if path == "/uploads":
            upload = {"url": f"{self.server.url}/bucket", "fields": {"key": "k", "policy": "p"}}
            document = f"u1/{json.loads(body)['filename']}"
            return 201, {"document": document, "upload": upload, "expires_in_seconds": 900}
        if path == "/jobs":
            return self._submit(tenant, json.loads(body)) if self.command == "POST" else self._list(tenant, query)
        found = re.fullmatch(r"/jobs/([^/]+)(/retry|/cancel)?", path)
        job = self.server.jobs.get(found[1]) if found else None
        if not found or job is None or job["tenant"] != tenant:
            return 404, {"title": "Not found", "status": 404, "detail": f"there is no {path}"}
        if found[2] == "/retry":
            return self._retry(job)
        return self._cancel(job) if found[2] else (200, job)

    def _submit(self, tenant: str, body: dict[str, Any]) -> tuple[int, Any]:
        job_id = self.server.add("queued", tenant=tenant, analysis=body["analysis"])
        accepted = {"job_id": job_id, "status": "queued", "outcome": "created", "estimated_time_seconds": 60}
        return 202, accepted | {"status_url": f"/jobs/{job_id}"}

    def _list(self, tenant: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        one = {name: values[0] for name, values in query.items()}
        limit = min(int(one.get("limit", 50)), self.server.largest_page)
        first, last = (
            first_id_at(datetime.fromisoformat(one[name])) if name in one else edge
            for name, edge in (("from", ""), ("to", "~"))
        )
        found = [
            job
            for job_id, job in sorted(self.server.jobs.items(), reverse=True)
            if job["tenant"] == tenant
            and job["status"] == one.get("status", job["status"])
            and first <= job_id <= last
            and job_id < one.get("cursor", "~")
        ]
        more = len(found) > limit
        return 200, {"jobs": found[:limit], "next_cursor": found[limit - 1]["job_id"] if more else None}

    def _retry(self, job: dict[str, Any]) -> tuple[int, Any]:
        if job["status"] == "completed":
            return 409, {"title": "Conflict", "status": 409, "detail": "the job has completed: submit a new one"}
        if job["status"] in {"failed", "cancelled"}:
            self.server.retried[job["job_id"]] += 1
            job |= {"status": "queued", "error": None, "finished_at": None}
        return 202, job

    def _cancel(self, job: dict[str, Any]) -> tuple[int, Any]:
        if job["status"] in {"completed", "failed"}:
            return 409, {"title": "Conflict", "status": 409, "detail": f"the job has {job['status']}"}
        job["status"] = "cancelled"
        return 200, job

    def _tenant(self) -> str | None:
        given = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        return next((tenant for tenant in ("acme", "globex") if given == token_of(tenant)), None)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Keep the test's output clean."""


@contextmanager
def serving() -> Iterator[ApiServer]:
    """Serve until the block ends."""
    with ApiServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
