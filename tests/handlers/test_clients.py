"""The clients of a process: how many are made, and which TLS context their connections use."""

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.config import Config

from analysis_jobs.stores.clients import Clients

ONE, OTHER = Config(read_timeout=1), Config(read_timeout=2)


class Session:
    """A boto3 session that counts the clients it makes."""

    def __init__(self, **options: Any) -> None:
        self.made: list[tuple[str, Config]] = []
        self._session: Any = boto3.Session("test", "test", region_name="eu-west-1")
        self._options = options

    def client(self, service: str, config: Config) -> Any:
        self.made.append((service, config))
        return self._session.client(service, config=config, **self._options)


def test_a_service_with_one_configuration_has_one_client() -> None:
    session = Session()
    clients = Clients(session)
    first = clients.client("sqs", ONE)
    assert clients.client("sqs", ONE) is first
    assert clients.client("sqs", OTHER) is not first
    assert session.made == [("sqs", ONE), ("sqs", OTHER)]


def test_a_lazy_client_is_made_on_first_use() -> None:
    session = Session()
    lazy = Clients(session).client("s3", ONE, lazy=True)
    assert session.made == []
    assert lazy.meta.region_name == lazy.meta.region_name == "eu-west-1"
    assert session.made == [("s3", ONE)]


@contextmanager
def tls_server(folder: Path, authority: trustme.CA) -> Iterator[int]:
    """Answer every request with an empty list of queues. Yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(65_536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                except OSError:  # the client does not trust this server
                    plain.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_all_connections_of_all_clients_load_the_authorities_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    original = ssl.SSLContext.load_verify_locations

    def load(self: Any, *arguments: Any, **options: Any) -> None:
        loads.append(arguments)
        original(self, *arguments, **options)

    with tls_server(tmp_path, trustme.CA()) as port:
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
        clients = Clients(Session(endpoint_url=f"https://localhost:{port}", verify=str(tmp_path / "authority.pem")))
        for config in (ONE, ONE, OTHER):  # the server closes each connection, so each request needs a new one
            assert clients.client("sqs", config).list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [file for file, *_ in loads] == [str(tmp_path / "authority.pem")]


@contextmanager
def lasting_server(at_once: int) -> Iterator[tuple[int, list[Any]]]:
    """Answer when `at_once` requests have come, and keep the connections. Yields the port and the connections."""
    all_came = threading.Barrier(at_once)
    accepted: list[Any] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            accepted.append(self.client_address)
            super().setup()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            all_came.wait(60)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = at_once

    with Server(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, accepted
        server.shutdown()
        thread.join()


def test_requests_at_the_same_moment_keep_their_connections(caplog: pytest.LogCaptureFixture) -> None:
    """As the heartbeats of 20 jobs. botocore alone keeps ten connections. It warns, and opens the others again."""
    with lasting_server(20) as (port, accepted):
        clients = Clients(Session(endpoint_url=f"http://127.0.0.1:{port}"), connections=20)
        sqs = clients.client("sqs", ONE.merge(Config(read_timeout=60, retries={"total_max_attempts": 1})))
        for _ in range(2):
            with ThreadPoolExecutor(20) as threads:
                for _ in range(20):
                    threads.submit(sqs.list_queues)
        assert len(accepted) == 20
        sqs.close()
    assert caplog.records == []


def test_a_server_with_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    with tls_server(tmp_path, trustme.CA()) as port:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        config = Config(retries={"total_max_attempts": 1})
        client = Clients(Session(endpoint_url=f"https://localhost:{port}", verify=str(other))).client("sqs", config)
        with pytest.raises(Exception, match="SSL validation failed"):
            client.list_queues()
