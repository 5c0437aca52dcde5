"""One HTTP exchange of the stand-in: whole answers, chunked streams, and the ways to break them off."""

import json
import select
import socket
import struct
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final, override

from analysis_jobs_dev.cloud.stand_in.refusals import HungUpError, invalid

_HANG_UP_CHECK_S: Final = 0.2
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_JSON: Final = "application/json"


class Wire(BaseHTTPRequestHandler):
    """The request, and how it is answered. A header of every answer says that it comes from a stand-in."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stopping: threading.Event
    _head = b""
    _chunked = True

    def body(self, most_bytes: int) -> bytes:
        """Return the request's body; call it once.

        Raises:
            RefusedError: the body is larger.

        """
        size = int(self.headers.get("Content-Length") or 0)
        if size > most_bytes:
            self.close_connection = True
            raise invalid("The request body is too large.")
        return self.rfile.read(size)

    def answer(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON answer."""
        raw = json.dumps(content).encode()
        self._start(status, {"Content-Type": _JSON, "Content-Length": str(len(raw)), **(headers or {})})
        self._send(raw)

    def cut_answer(self, content: object, *, reset: bool) -> None:
        """Send the first half of a whole answer, then close."""
        raw = json.dumps(content).encode()
        self._start(200, {"Content-Type": _JSON, "Content-Length": str(len(raw))})
        self._send(raw[: len(raw) // 2])
        self.hang_up(reset=reset)

    def start_stream(self, content_type: str, *, chunked: bool = True) -> None:
        """Begin a stream; without chunking only the closed connection ends it."""
        self._chunked = chunked
        framing = {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"}
        self._start(200, {"Content-Type": content_type, **framing})

    def send_events(self, events: Sequence[bytes], pause_s: float = 0) -> None:
        """Send messages of the stream: in one write, or each with a pause after it."""
        framed = [b"%x\r\n%s\r\n" % (len(event), event) if self._chunked else event for event in events]
        if not pause_s:
            self._send(b"".join(framed))
            return
        for event in framed:
            self._send(event)
            self.wait(pause_s)

    def end_stream(self) -> None:
        """End the stream properly."""
        if self._chunked:
            self._send(b"0\r\n\r\n")
        else:
            self.hang_up()

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection at once, with a TCP reset if told so."""
        self.close_connection = True
        self._send(b"")
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.rfile.close()  # the reset is sent when the last holder of the descriptor closes it
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Be silent for a while.

        Raises:
            HungUpError: the caller closed the connection meanwhile, or the server stops.

        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            pause = min(left, _HANG_UP_CHECK_S)
            readable, _, _ = select.select([self.connection], [], [], pause)
            if self.stopping.is_set() or (readable and not self._peek()):
                self.close_connection = True
                raise HungUpError
            if readable:
                time.sleep(pause)

    def _peek(self) -> bytes:
        try:
            return bytes(self.connection.recv(1, socket.MSG_PEEK))
        except ConnectionError:
            return b""

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        """Prepare the head; it is sent with the first bytes of the body, which saves a packet."""
        own = {"Date": formatdate(usegmt=True), "x-amzn-RequestId": str(uuid.uuid4()), "x-stand-in": "true"}
        lines = [f"{name}: {value}" for name, value in {**own, **headers}.items()]
        self._head = "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *lines, "", ""]).encode("latin-1")

    def _send(self, raw: bytes) -> None:
        head, self._head = self._head, b""
        try:
            self.wfile.write(head + raw)
        except OSError as error:
            self.close_connection = True
            raise HungUpError from error

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Keep silent: the log of calls says more."""
