"""PostgreSQL databases for tests: one server for all tests, and an empty database for each."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from analysis_jobs.postgres import database as library
from analysis_jobs.postgres.connections import CONNECTIONS
from analysis_jobs.testing.database import TestDatabase
from analysis_jobs.testing.postgres_server import Login, PostgresServer, ServerError, binaries

__all__ = ["Databases", "ServerError", "binaries", "running"]
_HBA = "local all all scram-sha-256\n"
_PORT = 5432  # only a part of the name of the socket
# macOS limits the path of a socket to 103 bytes, and its temporary folders have long names.
_SHORT = Path("/tmp")  # noqa: S108 - the folder within it gets a random name
_EFFECTS = Path(library.__file__).with_name("schema.sql")


class Databases(PostgresServer):
    """A server on a Unix socket. Other users of the machine cannot reach it, and it needs no port."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._socket = Path(tempfile.mkdtemp(prefix="analysis-jobs-", dir=_SHORT if _SHORT.is_dir() else None))
        if self._user:
            shutil.chown(self._socket, self._user.pw_uid, self._user.pw_gid)
        self._made = 0

    def new(self, *scripts: str) -> TestDatabase:
        """Create a database with the library's table of effects, and run scripts (SQL) in it."""
        CONNECTIONS.close()  # the idle connection of an earlier test has the same secret's name
        self._made += 1
        owner = self.database(f"test_{self._made}", _EFFECTS.read_text(encoding="utf-8"), *filter(None, scripts))
        # The library accepts no plain text over a network. For a Unix socket, libpq ignores `sslmode`.
        return TestDatabase(owner.secret() | {"sslmode": "require"}, owner.connect)

    def forget(self) -> None:
        """Delete the data of a stopped server."""
        super().forget()
        shutil.rmtree(self._socket, ignore_errors=True)

    def _prepare(self, data: Path) -> Mapping[str, str]:
        self._write(data / "pg_hba.conf", _HBA.encode())
        return {"listen_addresses": "", "unix_socket_directories": str(self._socket), "port": str(_PORT)}

    def _login(self, role: str, database: str) -> Login:
        return Login(str(self._socket), _PORT, role, self._password, database, "")


@contextmanager
def running(folder: Path) -> Iterator[Databases]:
    """Run a server, and delete its data afterwards. Raises `ServerError` where none is installed."""
    server = Databases(folder)
    try:
        with server:
            yield server
    finally:
        CONNECTIONS.close()
        server.forget()
