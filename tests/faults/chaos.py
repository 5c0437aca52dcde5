"""A proxy between the functions and AWS that injects faults: errors 5xx, delays, duplicates and lost replies."""

import contextlib
import json
import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

_BUSY = b'{"__type":"com.amazon.coral.service#ServiceUnavailable","message":"injected fault"}'
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class FaultRates:
    """The probability of each fault for one request.

    `refuse` (a 5xx) and `reset` happen before AWS gets the request. With `refuse_lost` and `reset_lost`, AWS has
    executed the request, and only its reply is lost. `send_twice` applies to SendMessage and SendMessageBatch. With
    `refuse_some`, the reply to SendMessageBatch says that one message was refused, although SQS has it.
    """

    refuse: float = 0.0
    refuse_lost: float = 0.0
    reset: float = 0.0
    reset_lost: float = 0.0
    slow: float = 0.0
    hang: float = 0.0
    send_twice: float = 0.0
    refuse_some: float = 0.0
    slowest_s: float = 0.5
    hang_s: float = 3.0

    @property
    def mishaps(self) -> dict[str, float]:
        """The probability of each fault that applies to any request."""
        names = ("refuse", "refuse_lost", "reset", "reset_lost", "slow", "hang")
        return {name: getattr(self, name) for name in names}


NO_FAULTS = FaultRates()
OUTAGE = FaultRates(refuse=0.5, reset=0.4, hang=0.1)


class ChaosProxy:
    """`with ChaosProxy(url, bundle, seed) as proxy`: takes plain HTTP at `proxy.url`, and forwards over TLS to `url`.

    `rates` may be set at any time. `met` counts the requests by the fault that they met, "" for none.
    """

    def __init__(self, upstream: str, bundle: Path, seed: int) -> None:
        self.rates = NO_FAULTS
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(self, urlsplit(upstream).netloc, ssl.create_default_context(cafile=str(bundle)))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="chaos", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rates = NO_FAULTS
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def draw(self, operation: str) -> str:
        """Return the fault for a request, "" for none."""
        rates = self.rates
        with self._lock:
            found = self._mishap(rates, operation)
            self.met[found] += 1
        return found

    def _mishap(self, rates: FaultRates, operation: str) -> str:
        if operation.endswith((".SendMessage", ".SendMessageBatch")) and self._random.random() < rates.send_twice:
            return "send_twice"
        if operation.endswith(".SendMessageBatch") and self._random.random() < rates.refuse_some:
            return "refuse_some"
        drawn = self._random.random()
        for name, likelihood in rates.mishaps.items():
            drawn -= likelihood
            if drawn < 0:
                return name
        return ""


def _refusing_one(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return the reply to SendMessageBatch with its last message as a refused one."""
    reply = json.loads(body)
    if status == 200 and reply.get("Successful"):
        last = reply["Successful"].pop()
        reply.setdefault("Failed", []).append({"Id": last["Id"], "Code": "InternalError", "SenderFault": False})
    return status, headers, json.dumps(reply).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, proxy: ChaosProxy, upstream: str, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.upstream = upstream
        self.tls = tls
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write nothing: a killed worker breaks its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = HTTPSConnection(self.server.upstream, context=self.server.tls, timeout=30)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rates = self.server.proxy.rates
        match self.server.proxy.draw(self.headers.get("X-Amz-Target", "")):
            case "refuse":
                self._answer(503, {"Content-Type": "application/x-amz-json-1.0"}, _BUSY)
            case "refuse_lost":
                self._forward(body)
                self._answer(500, {"Content-Type": "application/x-amz-json-1.0"}, _BUSY)
            case "reset":
                self._reset()
            case "reset_lost":
                self._forward(body)
                self._reset()
            case "hang":
                self.server.closing.wait(rates.hang_s)
                self._reset()
            case "slow":
                time.sleep(random.uniform(0.1, 1.0) * rates.slowest_s)
                self._answer(*self._forward(body))
            case "send_twice":
                self._forward(body)
                self._answer(*self._forward(body))
            case "refuse_some":
                self._answer(*_refusing_one(*self._forward(body)))
            case _:
                self._answer(*self._forward(body))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST  # noqa: N815 - the names that http.server calls

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        try:
            return self._exchange(body, headers)
        except (HTTPException, OSError):  # the upstream closed a connection that was idle
            self._upstream.close()
            return self._exchange(body, headers)

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self._upstream.request(self.command, self.path, body, headers)
        response = self._upstream.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Keep the test's output clean."""
