"""Checks that the API's host can be reached, before the first request.

A request may wait long for a busy API, and is retried. A wrong host name or an untrusted certificate needs neither: the
check finds them within `LIMIT_S`.
"""

import contextlib
import socket
import ssl
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from analysis_jobs.cli.proxies import proxy_of
from analysis_jobs.client.transport import UNKNOWN_CA

LIMIT_S = 1.5
_PORTS = {"http": 80, "https": 443}


class NotReachableError(Exception):
    """The host cannot be reached, or its certificate is not trusted. The message names the fix."""


def require_reachable(url: str, ca_bundle: Path | None = None, limit_s: float = LIMIT_S) -> None:
    """Connect to the host of `url`, or to its proxy, and check its certificate.

    Raises `NotReachableError` after `limit_s` at the latest.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise NotReachableError(f"{url} is not the URL of an API: give one such as https://api.example.com.")
    proxy = proxy_of(url)
    target = urlsplit(proxy) if proxy else parts
    check = _Check(
        target.hostname or "",
        target.port or _PORTS.get(target.scheme, _PORTS["http"]),
        # Through a proxy, the first request shows whether the certificate is trusted.
        _context(ca_bundle) if parts.scheme == "https" and not proxy else None,
        limit_s,
    )
    # The time limit of a socket does not include the search for the host's address.
    thread = Thread(target=check.run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        check.error = TimeoutError()
    if check.error:
        name = f"{check.host}, the proxy for {parts.hostname}," if proxy else check.host
        raise NotReachableError(_explain(check.error, name, check.port, limit_s)) from check.error


class _Check:
    """One attempt to connect. `error` says why it failed."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, limit_s: float) -> None:
        self.host = host
        self.port = port
        self.error: OSError | None = None
        self._context = context
        self._limit_s = limit_s

    def run(self) -> None:
        try:
            with contextlib.ExitStack() as open_:
                connection = open_.enter_context(socket.create_connection((self.host, self.port), self._limit_s))
                if self._context:
                    open_.enter_context(self._context.wrap_socket(connection, server_hostname=self.host))
        except OSError as error:
            self.error = error
        except UnicodeError:  # a label of the name is empty or too long
            self.error = socket.gaierror("not a host name")


def _context(ca_bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
    except OSError as error:
        raise NotReachableError(f"{ca_bundle} is not a PEM file of CA certificates: {error}.") from error


def _explain(error: OSError, host: str, port: int, limit_s: float) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            fix = "name its CA certificates with --ca-bundle" if error.verify_code in UNKNOWN_CA else "check the URL"
            return f"The certificate of {host} is not trusted ({error.verify_message.rstrip('.')}): {fix}."
        case ssl.SSLError():
            return f"{host}:{port} does not speak TLS ({error.reason}): check whether the URL begins with https://."
        case socket.gaierror():
            return f"There is no host {host}: check the URL of the API, and your network connection."
        case ConnectionRefusedError():
            return f"Nothing answers at {host}:{port}: check the URL of the API, and whether it runs."
        case TimeoutError():
            return (
                f"{host}:{port} did not answer within {limit_s:g} s: check the URL of the API, your network connection "
                "and your VPN."
            )
    return f"{host}:{port} cannot be reached: {error.strerror or error}."
