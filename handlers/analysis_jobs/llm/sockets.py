"""Makes the socket of a running HTTP request known, so that another thread can shut it down.

botocore offers no way to do this, and closing a response waits for its reader. So the connections of one client are
made by subclasses of botocore's own. They hand their socket to the `CancellableSocket` of the requesting thread.
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


class CancellableSocket:
    """The socket of whatever the calling thread requests from here on, until the thread makes another one of these.

    It has a socket once the request is sent. Connecting and sending take at most the client's connect timeout.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_shut_down = False
        _current.cancellable = self

    def attach(self, connected: socket.socket) -> None:
        """Note the socket of the request. If this was shut down before, shut the socket down now."""
        with self._lock:
            self._socket = connected
            if self._is_shut_down:
                self._shut_socket_down()

    def detach(self, connected: socket.socket) -> None:
        """Forget the socket: another request uses it from now on."""
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
            with contextlib.suppress(OSError):  # it is closed already
                # The method of the plain socket: the one of TLS would take away what the reader reads with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def make_cancellable(client: Any) -> None:
    """Let a boto3 client's connections, from now on, hand their sockets to `CancellableSocket`."""
    # One dictionary serves the pools of all managers. Those of proxies are made on first use.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_Pool, https=_TlsPool)  # noqa: SLF001 - see above


class _Current(threading.local):
    cancellable: CancellableSocket | None = None


_current = _Current()


class _Attaching:
    """Hands its socket over as soon as a request is sent, before the wait for the answer begins."""

    sock: socket.socket
    _cancellable: CancellableSocket | None = None

    def request(self, *arguments: Any, **options: Any) -> Any:
        if self._cancellable is not None:
            # A reused connection: cancelling the previous request must not close it.
            self._cancellable.detach(self.sock)
        sent = super().request(*arguments, **options)  # type: ignore[misc]
        self._cancellable = _current.cancellable
        if self._cancellable is not None:
            self._cancellable.attach(self.sock)
        return sent


class _Connection(_Attaching, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Attaching, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
