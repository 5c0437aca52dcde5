"""Sends the requests of `operations` with httpx2, and explains why a host cannot be reached."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.extras import MissingExtraError, extra
from analysis_jobs.base.program_traces import headers_to_send
from analysis_jobs.client.errors import Unreachable
from analysis_jobs.client.operations import Request, Response

if TYPE_CHECKING:
    import ssl

    import httpx2

# An API Gateway HTTP API ends a request after 30 s.
READ_TIMEOUT_S = 35.0
# OpenSSL's codes (X509_V_ERR_…) for a certificate of an authority that this machine does not know.
UNKNOWN_CA = frozenset({18, 19, 20, 21})
# A proxy of the environment never gets requests to this machine.
_DIRECT = ("all://localhost", "all://*.localhost", "all://127.0.0.1", "all://[::1]")


def load_httpx() -> ModuleType:
    """Import httpx2. It is imported for the first request, so that importing the client is fast."""
    try:
        with extra("client"):
            import httpx2  # noqa: PLC0415 - slow to import
    except MissingExtraError as error:
        raise ConfigurationError(
            'the client needs httpx2. In a package: add "client" to `extras` in [tool.analysis-jobs] of '
            "pyproject.toml, and build the package again. Elsewhere: pip install httpx2"
        ) from error
    return httpx2


def http_options(ca_bundle: Path | str | None, connect_timeout_s: float, transport: Any) -> dict[str, Any]:
    """Return the arguments of `httpx2.Client` and `httpx2.AsyncClient`.

    Without a `ca_bundle` the system's certificates are trusted. Redirects are never followed: the token must not be
    sent to another host.
    """
    import ssl  # noqa: PLC0415 - as httpx2, which imports it too

    httpx = load_httpx()
    return {
        "follow_redirects": False,
        "mounts": dict.fromkeys(_DIRECT),
        "timeout": httpx.Timeout(READ_TIMEOUT_S, connect=connect_timeout_s),
        "transport": transport,
        "verify": ssl.create_default_context(cafile=str(ca_bundle)) if ca_bundle else True,
    }


def arguments(request: Request, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `httpx2.Client.request`.

    A request to the API has the headers of the program's trace, if there is one. They are not signed.
    """
    sent = dict(headers)
    if request.signed and "traceparent" not in {name.lower() for name in sent}:
        sent |= headers_to_send()
    given: dict[str, Any] = {"method": request.method, "url": request.url, "headers": sent}
    if request.file:
        # S3 ignores form fields after `file`.
        return given | {"data": dict(request.form or {}), "files": {"file": request.file}}
    return given | {"content": request.body}


def response(answer: "httpx2.Response") -> Response:
    """Return the answer without httpx2's types."""
    return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)


def unreachable(request: Request, error: Exception, connect_timeout_s: float) -> Unreachable:
    """Return the error for a request that got no answer."""
    import ssl  # noqa: PLC0415 - as in `http_options`

    httpx = load_httpx()
    where = f"{request.where} cannot be reached"
    match error:
        case httpx.ConnectTimeout():
            return Unreachable(f"{where}: there was no connection within {connect_timeout_s:g} s")
        case httpx.ConnectError():
            if refused := next((each for each in _causes(error) if isinstance(each, ssl.SSLError)), None):
                return _untrusted(where, refused)
            return Unreachable(f"{where}: {error}")
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return Unreachable(f"{where}: {error}", retryable=False)
        case httpx.TimeoutException():
            return Unreachable(f"{where}: it did not answer in time", connected=True)
    return Unreachable(f"{where}: the connection broke: {error or type(error).__name__}", connected=True)


def _untrusted(where: str, error: "ssl.SSLError") -> Unreachable:
    why = str(getattr(error, "verify_message", None) or error.reason or error).rstrip(".")
    code = getattr(error, "verify_code", None)
    fix = "check the URL" if code else ""
    if code in UNKNOWN_CA:
        fix = "give ca_bundle, a PEM file with the certificate of your authority"
    return Unreachable(": ".join(filter(None, (where, f"TLS failed: {why}", fix))), retryable=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
