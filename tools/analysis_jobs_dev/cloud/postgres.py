"""A real PostgreSQL server on 127.0.0.1 for the local cloud and the tests, over TLS, with its data in a folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from analysis_jobs.testing import postgres_server
from analysis_jobs.testing.postgres_server import Login, PostgresServer, ServerError
from analysis_jobs_dev.cloud.certificates import Certificates
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ports import LOOPBACK

HBA = "hostssl all all 127.0.0.1/32 scram-sha-256\n"  # no Unix socket, no plain text
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "ssl": "on",
    "ssl_cert_file": "server.pem",
    "ssl_key_file": "server.key",
    "ssl_min_protocol_version": "TLSv1.2",
}

__all__ = ["Login", "PostgreSQL", "binaries", "running"]


class PostgreSQL(PostgresServer):
    """One server on 127.0.0.1, with its data in `folder`; a restart finds them again."""

    def __init__(self, folder: Path, certificates: Certificates, port: int) -> None:
        with _cloud_errors():
            super().__init__(folder)
        self.port = port
        self._certificates = certificates

    def start(self) -> None:
        """Start the server, with new data if there are none; return when it answers.

        Raises CloudError with the end of its log.
        """
        with _cloud_errors():
            super().start()

    def _prepare(self, data: Path) -> Mapping[str, str]:
        self._write(data / "pg_hba.conf", HBA.encode())
        self._write(data / "server.pem", self._certificates.chain.read_bytes())
        self._write(data / "server.key", self._certificates.key.read_bytes())
        return SETTINGS | {"port": str(self.port)}

    def _login(self, role: str, database: str) -> Login:
        return Login(LOOPBACK, self.port, role, self._password, database, str(self._certificates.bundle))


def binaries() -> Path:
    """Return the folder with `postgres` and `initdb`. Raises CloudError with what to install."""
    with _cloud_errors():
        return postgres_server.binaries()


@contextmanager
def running(folder: Path, certificates: Certificates, port: int) -> Iterator[PostgreSQL]:
    """Give a running server, and delete its data afterwards."""
    server = PostgreSQL(folder, certificates, port)
    try:
        with server:
            yield server
    finally:
        server.forget()


@contextmanager
def _cloud_errors() -> Iterator[None]:
    try:
        yield
    except ServerError as error:
        raise CloudError(str(error)) from error
