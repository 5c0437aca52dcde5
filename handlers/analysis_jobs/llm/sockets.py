"""Which socket a thread's HTTP request goes over, so that another thread can shut it down.

botocore offers no such thing, and a response's `close` waits for its reader. So the connections of one client are made
by subclasses of botocore's own, which hand their socket to the line that the requesting thread has opened.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)


class Line:
    """What the calling thread sends and reads over from here on, until it opens another line.

    It has a socket from when a request was sent: to connect and to send take the client's connect time-out at most.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        _current.line = self

    def goes_over(self, connected: socket.socket) -> None:
        """Note the socket, once it is connected; a line that was cut before is cut now."""
        with self._lock:
            self._socket = connected
            if self._cut:
                self._shut_down()

    def leaves(self, connected: socket.socket) -> None:
        """Forget the socket, which another line's request goes over from now on."""
        with self._lock:
            if self._socket is connected:
                self._socket = None

    def cut(self) -> None:
        """Shut the socket down, from any thread: whoever waits for it stops waiting."""
        with self._lock:
            self._cut = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # The plain socket's method: TLS's own would take from the reader what it reads with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def note_sockets(client: Any) -> None:
    """Let lines see the connections that a boto3 client makes from now on."""
    # One dictionary for the pools of all managers, those of proxies too, which are made on first use.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_Pool, https=_TlsPool)  # noqa: SLF001 - see above


class _Current(threading.local):
    line: Line | None = None


_current = _Current()


class _Noting:
    """Hands its socket over as soon as the request is sent: before the wait for an answer begins."""

    sock: socket.socket
    _line: Line | None = None

    def request(self, *arguments: Any, **options: Any) -> Any:
        if self._line is not None:
            # A connection that was kept: who cuts the request of before must not hit this one.
            self._line.leaves(self.sock)
        sent = super().request(*arguments, **options)  # type: ignore[misc]
        self._line = _current.line
        if self._line is not None:
            self._line.goes_over(self.sock)
        return sent


class _Connection(_Noting, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Noting, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
