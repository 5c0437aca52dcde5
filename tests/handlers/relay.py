"""A TLS front for a local plain-text server. Bedrock is only reached over TLS, and TLS sockets behave differently."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from analysis_jobs_dev.cloud.certificates import certificates


class TlsRelay:
    """`with TlsRelay(url, folder) as relay` forwards `relay.url` to `url`. Clients must trust `relay.bundle`.

    It is also a proxy, at `relay.proxy`. The proxy forwards every host to `url`.
    """

    def __init__(self, url: str, folder: Path) -> None:
        made = certificates(folder)
        self.bundle = str(made.bundle)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.chain, made.key)
        split = urlsplit(url)
        self._target = (str(split.hostname), int(split.port or 0))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listening.getsockname()[1]}"
        self.proxy = self.url.replace("https:", "http:")
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listening, *self._open):
            _hang_up(each)
        for thread in self._threads:
            thread.join()

    def _begin(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="relay", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                self._begin(self._serve, caller)

    def _serve(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._open.append(caller)
            _answer_as_proxy(caller)
            secured = self._context.wrap_socket(caller, server_side=True)
            served = socket.create_connection(self._target)
            self._open += [secured, served]
            self._begin(_pass_on, secured, served)
            _pass_on(served, secured)


def _answer_as_proxy(caller: socket.socket) -> None:
    """Answer the CONNECT request of a proxy client. Do nothing if the client starts TLS at once."""
    if caller.recv(7, socket.MSG_PEEK) == b"CONNECT":
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += caller.recv(1)
        caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    _hang_up(target)
    _hang_up(source)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
