"""The smoke test after a deployment runs a real job, and fails unless the job completes."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import smoke

JOB = {"job_id": "j1", "analysis": "rfp-analysis", "status": "queued"}
ACCEPTED = {**JOB, "outcome": "created", "estimated_time_seconds": 60}


class TinyApi(ThreadingHTTPServer):
    """Answers as the deployed API does. `states` are the answers for the job; the last one is repeated."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.states: list[dict[str, Any]] = [{"status": "completed", "code_version": "1"}]
        self.requests: list[tuple[str, str, bytes]] = []
        self.tokens: set[str | None] = set()


class _Handler(BaseHTTPRequestHandler):
    server: TinyApi

    def do_GET(self) -> None:
        self._record()
        states = self.server.states
        self._answer(200, {**JOB, **(states.pop(0) if len(states) > 1 else states[0])})

    def do_POST(self) -> None:
        self._record()
        if self.path == "/uploads":
            upload = {"url": f"{self.server.url}/bucket", "fields": {"key": "k", "policy": "p"}}
            self._answer(201, {"document": "u1/rfp.pdf", "upload": upload, "expires_in_seconds": 900})
        elif self.path == "/bucket":
            self._answer(204, None)
        elif self.headers["Authorization"] != "Bearer good":
            self._answer(401, {"message": "Unauthorized"})
        else:
            self._answer(202, {**ACCEPTED, "status_url": "/jobs/j1"})

    def _record(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, body))
        self.server.tokens.add(self.headers["Authorization"])

    def _answer(self, status: int, body: object) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Keep the test's output clean."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyApi]:
    monkeypatch.setenv("ANALYSIS_JOBS_TOKEN", "good")
    with TinyApi() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(api: TinyApi, *arguments: str) -> int:
    return smoke.main([api.url, "--analysis", "rfp-analysis", *arguments])


def test_a_completed_job_is_a_success(api: TinyApi) -> None:
    api.states = [{"status": "queued"}, {"status": "processing"}, *api.states]
    assert run(api, "--input", '{"title": "t"}') == 0
    method, path, body = api.requests[0]
    assert (method, path) == ("POST", "/jobs")
    assert json.loads(body) == {"analysis": "rfp-analysis", "input": {"title": "t"}}
    assert [path for _, path, _ in api.requests[1:]] == ["/jobs/j1", "/jobs/j1?wait=20", "/jobs/j1?wait=20"]
    assert api.tokens == {"Bearer good"}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            {"status": "failed", "error": {"code": "bad_document", "message": "It is empty.", "retryable": False}},
            "bad_document: It is empty.",
        ),
        ({"status": "failed"}, "failed: no error"),
        ({"status": "cancelled"}, "Job j1 cancelled"),
    ],
)
def test_a_job_that_does_not_complete_is_a_failure(
    state: dict[str, Any], said: str, api: TinyApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.states = [state]
    assert run(api) == 1
    assert said in capsys.readouterr().err


def test_a_job_that_does_not_end_in_time_is_a_failure(api: TinyApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.states = [{"status": "processing"}]
    assert run(api, "--timeout-s", "0.05") == 1
    assert "job j1 was still processing after 0.05 s" in capsys.readouterr().err


def test_a_job_done_by_other_code_than_was_deployed_is_a_failure(
    api: TinyApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(api, "--code-version", "1") == 0
    assert run(api, "--code-version", "2") == 1
    assert "Job j1 was run by version 1, and 2 was deployed." in capsys.readouterr().err


def test_a_document_is_uploaded_as_a_browser_does_it(api: TinyApi, tmp_path: Path) -> None:
    document = tmp_path / "rfp.pdf"
    document.write_bytes(b"%PDF-1.7\r\n\x00\xff")
    assert run(api, "--document", str(document)) == 0
    (_, _, wanted), (_, _, form), (_, _, job) = api.requests[:3]
    assert json.loads(wanted) == {"filename": "rfp.pdf", "content_type": "application/pdf", "size": 12}
    assert form.index(b'name="key"') < form.index(b'name="policy"') < form.index(b'name="file"')
    assert b"\r\n\r\n%PDF-1.7\r\n\x00\xff\r\n--" in form
    assert json.loads(job)["input"] == {"document": "u1/rfp.pdf"}


def test_a_refused_request_is_a_failure_that_shows_the_answer(
    api: TinyApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANALYSIS_JOBS_TOKEN", "bad")
    assert run(api) == 1
    assert "/jobs answered 401: Unauthorized" in capsys.readouterr().err


def test_an_api_that_is_not_there_is_a_failure(api: TinyApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main(["http://127.0.0.1:1", "--analysis", "a"]) == 1
    assert "http://127.0.0.1:1/jobs cannot be reached" in capsys.readouterr().err
    assert api.requests == []


def test_without_a_token_nothing_is_called(
    api: TinyApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANALYSIS_JOBS_TOKEN")
    assert run(api) == 2
    assert "ANALYSIS_JOBS_TOKEN is not set" in capsys.readouterr().err
    assert api.requests == []
