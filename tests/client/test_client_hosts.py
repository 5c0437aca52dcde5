"""`Client` and `AsyncClient` name the fault of a host that cannot be reached, and of a certificate."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import httpx2
import pytest
import trustme

from analysis_jobs.client import AsyncClient, Client, Unreachable
from tests.client.answers import JOB, Answers, RecordingClock, a_client, answered


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_host_that_was_never_reached_is_reported_after_the_connect_timeout() -> None:
    clock = RecordingClock()
    answers = Answers(httpx2.ConnectError("refused"))
    with pytest.raises(Unreachable, match="cannot be reached: refused"):
        a_client(answers, clock=clock).status("j1")
    assert sum(clock.pauses) < 2, "a wrong URL is reported within two seconds"


def test_a_host_that_answered_before_is_tried_again() -> None:
    answers = Answers(answered(200, JOB), *[httpx2.ConnectError("refused")] * 3, answered(200, JOB))
    client = a_client(answers)
    assert client.status("j1") == client.status("j1")
    assert len(answers.requests) == 5


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx2.ConnectTimeout("slow"), "there was no connection within 2 s"),
        (httpx2.ReadTimeout("slow"), "it did not answer in time"),
        (httpx2.RemoteProtocolError("garbage"), "the connection broke: garbage"),
    ],
)
def test_an_error_says_what_is_wrong_with_the_host(error: Exception, message: str) -> None:
    with pytest.raises(Unreachable, match=message):
        a_client(Answers(error), tries=1).status("j1")


def test_a_connection_that_is_refused_is_an_error_of_both_kinds() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with Client(url, "t", clock=RecordingClock()) as client, pytest.raises(Unreachable, match="cannot be reached"):
        client.status("j1")

    async def run() -> None:
        async with AsyncClient(url, "t", connect_timeout_s=0.1) as client:
            await client.status("j1")

    with pytest.raises(Unreachable, match="cannot be reached"):
        asyncio.run(run())


@pytest.fixture
def tls_server() -> tuple[trustme.CA, ssl.SSLContext]:
    """Return a certificate authority, and the TLS context of a server with a certificate of it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return authority, context


def serve_once(context: ssl.SSLContext, respond: bytes) -> tuple[int, Callable[[], None]]:
    """Serve TLS connections in a thread. Return the port, and a function that stops."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65_536)
                    tls.sendall(respond)
            except OSError:
                continue

    thread = Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()

    return int(listener.getsockname()[1]), stop


def test_a_bad_certificate_is_reported_at_once_with_the_fix(
    tls_server: tuple[trustme.CA, ssl.SSLContext], tmp_path: Path
) -> None:
    authority, context = tls_server
    body = json.dumps(JOB).encode()
    port, stop = serve_once(context, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    clock = RecordingClock()
    try:
        with (
            Client(f"https://localhost:{port}", "t", clock=clock, connect_timeout_s=60) as client,
            pytest.raises(Unreachable, match=r"TLS failed: .*give ca_bundle") as raised,
        ):
            client.status("j1")
        assert not raised.value.retryable
        assert clock.pauses == []
        authority.cert_pem.write_to_path(tmp_path / "known.pem")
        with (
            Client(f"https://127.0.0.1:{port}", "t", ca_bundle=tmp_path / "known.pem", connect_timeout_s=60) as client,
            pytest.raises(Unreachable, match=r"TLS failed: .*mismatch.*: check the URL"),
        ):
            client.status("j1")
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(bundle)
        with Client(f"https://localhost:{port}", "t", ca_bundle=bundle, connect_timeout_s=60) as client:
            assert client.status("j1").result == 1
    finally:
        stop()
