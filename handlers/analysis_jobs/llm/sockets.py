"""Gives access to the socket of a running HTTP request: another thread can shut it down, and it may be silent longer.

botocore has no interface for this, and closing a response waits for its reader. So subclasses of botocore's connection
classes make the connections of one client. They pass their socket to the `CancellableSocket` of the requesting thread.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


class CancellableSocket:
    """The socket of the calling thread's current request, until the thread makes another `CancellableSocket`.

    It has a socket after the request was sent. Connecting and sending take at most the client's connect timeout.

    `longest_silence` replaces the client's read timeout for the thread's next requests. Set it before the request.
    `on_sent` is called when a request was sent, before the wait for its answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_shut_down = False
        self.longest_silence: timedelta | None = None
        self.on_sent: Callable[[], None] = lambda: None
        _current.cancellable = self

    def attach(self, connected: socket.socket) -> None:
        """Set the socket of the request. If `shut_down` was called before, shut the socket down now."""
        _keep_alive(connected)
        with self._lock:
            self._socket = connected
            if self._is_shut_down:
                self._shut_socket_down()

    def detach(self, connected: socket.socket) -> None:
        """Forget the socket, because another request will use it."""
        with self._lock:
            if self._socket is connected:
                self._socket = None

    def shut_down(self) -> None:
        """Shut the socket down, from any thread. A blocked read returns."""
        with self._lock:
            self._is_shut_down = True
            self._shut_socket_down()

    def _shut_socket_down(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the socket is closed already
                # Use the method of the plain socket. That of a TLS socket drops the TLS state that the reader needs.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def make_cancellable(client: Any) -> None:
    """Make all new connections of a boto3 client pass their sockets to `CancellableSocket`."""
    # All pool managers share this dictionary, also those for proxies, which are made on first use.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_Pool, https=_TlsPool)  # noqa: SLF001 - botocore has no interface for this


def release_sent_bodies(client: Any) -> None:
    """Make a boto3 client free the body of each request as soon as it was sent. The client must not retry.

    botocore keeps it until the answer begins. That may take a minute, and the base64 of the attachments is in it.
    """

    def wrap(params: dict[str, Any], **_: Any) -> None:
        if isinstance(params.get("body"), bytes):
            params["body"] = BytesIO(params["body"])  # shares the bytes; closing it frees them

    client.meta.events.register("before-call", wrap)


def _keep_alive(connected: socket.socket) -> None:
    """Send a probe each time the connection has been silent for a minute.

    NAT gateways and VPC endpoints drop a connection after 350 s of silence. The kernel's own first probe comes after
    two hours. Four probes without an answer end the connection, so that a lost one is noticed within three minutes:
    https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html#nat-gateway-troubleshooting-timeout
    """
    with contextlib.suppress(OSError):  # no TCP socket, or closed already
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PROBES.items():
            if hasattr(socket, option):  # they exist on Linux
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class _Current(threading.local):
    cancellable: CancellableSocket | None = None


_current = _Current()


class _CancellableConnection:
    """Passes its socket on after it has sent a request, before it waits for the answer."""

    sock: socket.socket
    timeout: float | None
    _cancellable: CancellableSocket | None = None

    def request(self, *arguments: Any, **options: Any) -> Any:
        if self._cancellable is not None:
            # A reused connection: cancelling the previous request must not close it.
            self._cancellable.detach(self.sock)
        try:
            sent = super().request(*arguments, **options)  # type: ignore[misc]
        finally:
            if isinstance(body := options.get("body"), BytesIO):
                body.close()
        self._cancellable = _current.cancellable
        if self._cancellable is not None:
            self._cancellable.attach(self.sock)
            self._cancellable.on_sent()
        return sent

    def getresponse(self, *arguments: Any, **options: Any) -> Any:
        if self._cancellable is not None and self._cancellable.longest_silence is not None:
            # urllib3 sets this timeout on the socket now. It holds until the end of the response.
            self.timeout = self._cancellable.longest_silence.total_seconds()
        return super().getresponse(*arguments, **options)  # type: ignore[misc]


class _Connection(_CancellableConnection, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_CancellableConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
