"""One execution environment of a Lambda function: AWS's own runtime client on a small Runtime API.

The emulator of the local cloud runs functions in its own interpreter. Behaviour of the real runtime is
tested here instead: how a function starts, the shape of its errors, the effect of a time-out or of too
little memory. `awslambdaric` is the client that Lambda runs. This is the server that it polls for events, as
documented under "Lambda runtime API".
"""

import importlib.metadata
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from analysis_jobs_dev.cloud.emulator.payloads import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES

API = "/2018-06-01/runtime/"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:under-test:live"
# Lambda gives up after 10 s on a function that has not asked for work; a busy machine is given longer.
INIT_LIMIT_S = 60.0
MEMORY_LOOK_S = 0.005
TOO_LARGE = "Function.ResponseSizeTooLarge"
# The client and its dependencies. A function sees nothing else of the test's environment.
CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")


@dataclass(frozen=True)
class Function:
    """What is deployed: an unpacked package and its settings."""

    task_root: Path
    handler: str
    timeout_s: float = 10
    memory_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the caller of a function gets: its value, or an error {errorType, errorMessage, stackTrace}."""

    value: Any = None
    error: dict[str, Any] | None = None


class _Invocation:
    """An event that the function works on. Its first answer counts."""

    def __init__(self, event: object, timeout_s: float) -> None:
        self.id = str(uuid.uuid4())
        self.event = json.dumps(event).encode()
        self.deadline_ms = int((time.time() + timeout_s) * 1000)
        self._answer: queue.Queue[Answer] = queue.Queue()

    def finish(self, answer: Answer) -> None:
        self._answer.put(answer)

    def fail(self, kind: str, message: str) -> None:
        self.finish(Answer(error={"errorType": kind, "errorMessage": f"RequestId: {self.id} Error: {message}"}))

    def wait(self, timeout_s: float) -> Answer | None:
        try:
            return self._answer.get(timeout=timeout_s)
        except queue.Empty:
            return None


class LambdaRuntime:
    """Runs `function` in one process, one event at a time. Replaces a process that died.

    A context manager: leaving it kills the process. `starts` counts how often a process was started.
    """

    def __init__(self, function: Function, scratch: Path) -> None:
        self.starts = 0
        self._function = function
        self._client = _client_folder(scratch)
        self._log = (scratch / "log").open("wb")
        self._server = _Server(self)
        self._process: subprocess.Popen[bytes] | None = None
        self._events: queue.Queue[_Invocation | None] = queue.Queue()
        self._ready = threading.Event()
        self._init_error: dict[str, Any] | None = None
        self._current: _Invocation | None = None

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._server.stop()
        self._log.close()

    @property
    def log(self) -> str:
        """The output of the function so far."""
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def invoke(self, event: object) -> Answer:
        """Send an event to the function and return its answer. Errors of the runtime are answers too.

        Raises ValueError for an event of more than 6 MB, which Lambda refuses before any function sees it.
        """
        if (size := len(json.dumps(event, ensure_ascii=False).encode())) > MAX_REQUEST_BYTES:
            raise ValueError(f"RequestTooLargeException: {size} bytes")
        if self._process is None or self._process.poll() is not None:
            self._start()
        if self._init_error:
            error, self._init_error = self._init_error, None
            self._kill()
            return Answer(error=error)
        invocation = self._current = _Invocation(event, self._function.timeout_s)
        self._events.put(invocation)
        answer = invocation.wait(self._function.timeout_s)
        self._current = None
        if answer is None:
            self._kill()
            message = f"Task timed out after {self._function.timeout_s:.2f} seconds"
            invocation.fail("Sandbox.Timedout", message)
            answer = invocation.wait(0)
        assert answer is not None
        if answer.error and answer.error["errorType"] == TOO_LARGE and self._process:
            self._process.wait()  # the client ends itself
        return answer

    def _start(self) -> None:
        self.starts += 1
        self._ready.clear()
        self._events = queue.Queue()
        self._process = subprocess.Popen(
            # -S: no site-packages but what PYTHONPATH names, as in Lambda.
            [sys.executable, "-s", "-S", "-m", "awslambdaric", self._function.handler],
            cwd=self._function.task_root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for watch in (self._watch_exit, self._watch_memory):
            threading.Thread(target=watch, args=(self._process,), daemon=True).start()
        if not self._ready.wait(INIT_LIMIT_S):
            self._kill()
            self._init_error = {"errorType": "Sandbox.Timedout", "errorMessage": "Init timed out"}

    def _environment(self) -> dict[str, str]:
        function = self._function
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join([str(function.task_root), str(self._client)]),
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(function.task_root),
            "AWS_LAMBDA_RUNTIME_API": self._server.address,
            "AWS_LAMBDA_FUNCTION_NAME": "under-test",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **function.environment,
        }

    def _kill(self) -> None:
        """End the process as Lambda does: no `finally`, no `atexit`."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _watch_exit(self, process: subprocess.Popen[bytes]) -> None:
        events = self._events
        status = process.wait()
        events.put(None)
        if process is not self._process:
            return
        how = f"error: exit status {status}" if status >= 0 else "error: signal: killed"
        if self._current:
            self._current.fail("Runtime.ExitError", f"Runtime exited with {how}")
        elif not self._ready.is_set():
            self._init_error = {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with {how}"}
        self._ready.set()

    def _watch_memory(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that holds more than its memory, as the kernel does in Lambda."""
        limit = self._function.memory_mb * 2**20
        statistics = Path(f"/proc/{process.pid}/statm")
        while process.poll() is None and statistics.exists():
            try:
                resident_pages = int(statistics.read_text(encoding="ascii").split()[1])
            except (OSError, IndexError):
                return
            if resident_pages * os.sysconf("SC_PAGE_SIZE") > limit:
                process.kill()
                return
            time.sleep(MEMORY_LOOK_S)

    # Called by the server.

    def next_event(self) -> _Invocation | None:
        """Wait for an event. Return None when the process that polls has died."""
        events = self._events
        self._ready.set()
        return events.get()

    def fail_init(self, error: dict[str, Any]) -> None:
        """Record the error of a function that failed to start."""
        self._init_error = error
        self._ready.set()

    def finish(self, request_id: str, answer: Answer) -> bool:
        """Record the answer to an event. Return False if no caller waits for it."""
        if self._current is None or self._current.id != request_id:
            return False
        self._current.finish(answer)
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, runtime: LambdaRuntime) -> None:
        super().__init__(("127.0.0.1", 0), _RequestHandler)
        self.runtime = runtime
        self.address = f"127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a killed process leaves a broken connection."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out as two packets; without this the second waits 40 ms.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        invocation = self.server.runtime.next_event()
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
        }
        self._answer(200, invocation.event, headers)

    def do_POST(self) -> None:
        given = self._body()
        path = self.path.removeprefix(API)
        if path.endswith("/response") and len(given) > MAX_ANSWER_BYTES:
            self._refuse(path.split("/")[1])
            return
        body = json.loads(given or b"null")
        if path == "init/error":
            self.server.runtime.fail_init(body)
            self._answer(202, b'{"status":"OK"}')
            return
        _, request_id, outcome = path.split("/")
        answer = Answer(value=body) if outcome == "response" else Answer(error=body)
        known = self.server.runtime.finish(request_id, answer)
        self._answer(202 if known else 400, b"{}")

    def _refuse(self, request_id: str) -> None:
        """Refuse an answer as Lambda does: the function is told 413, and the caller gets an error."""
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_ANSWER_BYTES} bytes)."
        self.server.runtime.finish(request_id, Answer(error={"errorType": TOO_LARGE, "errorMessage": message}))
        self._answer(413, json.dumps({"errorType": TOO_LARGE, "errorMessage": message}).encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Keep the test's output clean."""


def _client_folder(scratch: Path) -> Path:
    """Make a folder with the runtime client and its dependencies only."""
    folder = scratch / "runtime"
    folder.mkdir()
    for name in CLIENT:
        distribution = importlib.metadata.distribution(name)
        roots = {path.parts[0] for path in distribution.files or [] if path.parts[0] != ".."}
        for root in roots:
            (folder / root).symlink_to(Path(str(distribution.locate_file(root))).resolve())
    return folder
