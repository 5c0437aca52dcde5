"""A real PostgreSQL server for tests and for the local cloud, with its data in a folder.

`databases` runs it on a Unix socket, the local cloud over TLS. The server's programs must be on this machine:
`apt-get install postgresql`, `brew install postgresql`.
"""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

from analysis_jobs.base.extras import extra
from analysis_jobs.base.settings import variable
from analysis_jobs.testing.processes import Child

with extra("postgres"):
    import psycopg
    from psycopg import sql

BINARIES_VARIABLE = "PG_BIN"
SUPERUSER = "postgres"
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 10.0
POLL_S = 0.05
# Debian, Red Hat, Homebrew (Apple, Intel), Postgres.app, EDB's installer; the newest version first.
USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
)
# The server refuses to run as root. These users are tried; the user owns only the data.
UNPRIVILEGED = ("postgres", "nobody")
DROP_PRIVILEGES = (
    "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
OWNER = ".folder"  # of a file beside data outside of their folder: it names that folder
SETTINGS = {
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "32MB",
    # A power cut may lose the data of a test here.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class ServerError(Exception):
    """The server cannot run. The message says why, and how to fix it."""


@dataclass(frozen=True)
class Login:
    """The login of a role at its database.

    The server's certificate is checked with `ca_bundle`, a path. It is empty for a server on a Unix socket, which
    `host` names by its folder.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str
    ca_bundle: str

    def secret(self, database_key: str = "dbname") -> dict[str, Any]:
        """Return the login as Secrets Manager stores it for RDS; some secrets call the database `database`."""
        return {
            "engine": "postgres",
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            database_key: self.database,
        }

    @property
    def url(self) -> str:
        """The login as a URL, for psql and other programs."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@{self.host}:{self.port}"
        options = urlencode({"sslmode": "verify-full", "sslrootcert": self.ca_bundle})
        return f"postgresql://{login}/{quote(self.database, safe='')}?{options}"

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as this role, with autocommit."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            dbname=self.database,
            sslmode="verify-full" if self.ca_bundle else "disable",
            sslrootcert=self.ca_bundle or None,
            connect_timeout=5,
            autocommit=True,
        )


def binaries() -> Path:
    """Return the folder with `postgres` and `initdb`. Raises ServerError with what to install."""
    if named := variable(BINARIES_VARIABLE):
        if _has_server(Path(named)):
            return Path(named)
        raise ServerError(f"{BINARIES_VARIABLE} is {named}: there are no postgres and initdb in it.")
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    usual = [folder for pattern in USUAL_PLACES for folder in _newest_first(Path("/").glob(pattern[1:]))]
    for folder in (*on_path, *usual):
        if _has_server(folder):
            return folder
    raise ServerError(
        "No PostgreSQL server: `apt-get install postgresql`, or `brew install postgresql@17`; "
        f"{BINARIES_VARIABLE} names the folder of its programs if they are elsewhere."
    )


class PostgresServer:
    """One server, with its data in `folder`; a restart finds them again. A subclass says how clients reach it.

    If root starts it, the server runs as another user. If that user cannot reach the folder, the data are in a folder
    below /var/tmp; a later start deletes them when `folder` no longer exists.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "postgres.log"
        self._folder = folder
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._home = _home(folder, self._user)
        self._data = self._home / "data"
        self._child: Child | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._child is not None and self._child.exit_code is None

    @property
    def superuser(self) -> Login:
        """The superuser's login."""
        return self._login(SUPERUSER, SUPERUSER)

    def start(self) -> None:
        """Start the server, with new data if there are none; return when it answers.

        Raises ServerError with the end of its log.
        """
        programs = binaries()
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._data / "PG_VERSION").exists():
            self._make_data(programs)
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, **self._prepare(self._data)}.items()]
        self._child = Child(
            [*self._as_user(), programs / "postgres", "-D", self._data, *settings],
            environment={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
            exit_code_file=self._folder / "postgres.exit",
            grace_s=STOP_GRACE_S,
            log=self.log,
            folder=Path("/"),  # the server's user may not have access to the working directory of this process
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"PostgreSQL did not start.\n{self.last_words()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop the server: connections are cut; committed data are on disk when this returns."""
        if self._child is None:
            return
        if self.running:
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has not started yet
                # After the guard's SIGTERM the server would wait for all clients to disconnect.
                os.kill(int((self._data / "postmaster.pid").read_text("utf-8").splitlines()[0]), signal.SIGINT)
                deadline = time.monotonic() + STOP_GRACE_S
                while self.running and time.monotonic() < deadline:
                    time.sleep(POLL_S)
        self._child.stop()
        self._child = None

    def forget(self) -> None:
        """Delete the data of a stopped server."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.with_suffix(OWNER).unlink(missing_ok=True)

    def database(self, name: str, *scripts: str) -> Login:
        """Return the login of a role and a database of this name, after running `scripts` (SQL) in the database.

        Existing roles and tables stay, so the scripts must be repeatable. The role's password is set again.
        """
        role = self._login(name, name)
        with self.superuser.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(name), sql.Literal(role.password))
            )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        with role.connect() as connection:
            for script in scripts:
                connection.execute(script.encode())
        return role

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the server's log, and the log's path."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join([*text.splitlines()[-lines:], f"(the whole log: {self.log})"])

    def _prepare(self, data: Path) -> Mapping[str, str]:
        """Write the files about connections into the folder of the data. Return the settings about connections."""
        raise NotImplementedError

    def _login(self, role: str, database: str) -> Login:
        """Return the login of a role. The password of all roles is `_password`."""
        raise NotImplementedError

    @property
    def _password(self) -> str:
        return (self._home / "password").read_text("utf-8")

    def _make_data(self, programs: Path) -> None:
        """Run initdb in a temporary folder, then move it: an interrupted start leaves no partial data."""
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self._data, ignore_errors=True)
        self._write(self._home / "password", secrets.token_urlsafe(24).encode())
        arguments = ["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256"]
        arguments += [f"--username={SUPERUSER}", f"--pwfile={self._home / 'password'}"]
        made = subprocess.run(
            [*self._as_user(), programs / "initdb", "-D", fresh, *arguments],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
        )
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        fresh.rename(self._data)

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file that only the server's user can read."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_user(self) -> Sequence[str | Path]:
        if self._user is None:
            return []
        return [sys.executable, "-I", "-c", DROP_PRIVILEGES, str(self._user.pw_uid), str(self._user.pw_gid)]

    def _answers(self) -> bool:
        try:
            self.superuser.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _has_server(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb"))


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def version(folder: Path) -> list[int]:
        digits = "".join(character if character.isdigit() else " " for character in str(folder))
        return [int(number) for number in digits.split()]

    return sorted(folders, key=version, reverse=True)


def _unprivileged() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError(f"PostgreSQL does not run as root, and there is no user {' or '.join(UNPRIVILEGED)} here.")


def _home(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Create and return the folder of the server's data: below `folder` if the server's user can reach that."""
    home = folder / "postgres"
    if user is not None and not _lets_others_in(folder):
        home = _home_elsewhere(folder)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    return home


def _lets_others_in(folder: Path) -> bool:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return all(each.stat().st_mode & stat.S_IXOTH for each in (there, *there.parents))


def _home_elsewhere(folder: Path) -> Path:
    """Return a folder below one of root in /var/tmp, for a `folder` that the server's user cannot reach."""
    place = Path("/var/tmp" if Path("/var/tmp").is_dir() else tempfile.gettempdir()) / "analysis-jobs-postgres"  # noqa: S108 - owner checked below
    place.mkdir(mode=0o711, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ServerError(f"{place} is not a folder of root: delete it.")
    for kept in place.glob(f"*{OWNER}"):
        with contextlib.suppress(FileNotFoundError):  # another process deletes it at the same time
            if not Path(kept.read_text("utf-8")).exists():
                shutil.rmtree(kept.with_suffix(""), ignore_errors=True)
                kept.unlink()
    home = place / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    home.with_suffix(OWNER).write_text(str(folder), "utf-8")
    return home
