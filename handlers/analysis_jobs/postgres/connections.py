"""Connects to PostgreSQL with the login of a secret, and keeps a connection while the execution environment is warm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.extras import extra
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.values import dataclass
from analysis_jobs.postgres.errors import connection_error, is_login_refusal
from analysis_jobs.postgres.login import Login, parse_login

with extra("postgres"):
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import DictRow, dict_row

if TYPE_CHECKING:
    from analysis_jobs.base.errors import JobError

Connection: TypeAlias = psycopg.Connection[DictRow]

# Not counted for a login that was changed in the meantime: then the new one is used.
_REFUSED = "DatabaseLoginsRefused"
_CONNECT_TIMEOUT_S = 5
# These detect a dead peer within a minute. The kernel's defaults take two hours (keepalive) or 15 minutes (data).
_KEEPALIVES: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_TCP_USER_TIMEOUT_MS = 15_000
# NAT gateways drop a connection that was idle for 350 s, and a frozen execution environment sends no keepalives.
_LONGEST_IDLE = timedelta(minutes=4)
# A worker that is never idle must notice a changed host or a dropped role too.
_LONGEST_AGE = timedelta(minutes=30)


@dataclass(frozen=True)
class LoginSource:
    """Connects with the login of a secret.

    `name` is the environment variable that holds the secret's ARN. `read` returns the secret. `forget` drops it from
    the cache. `ca_bundle` is the setting DATABASE_CA_BUNDLE.
    """

    name: str
    read: Callable[[], Mapping[str, Any]]
    forget: Callable[[], None]
    ca_bundle: str = ""

    def connect(self) -> Connection:
        """Connect. If the server refuses the login and the secret has changed since it was cached, try the new login.

        Raises `Defer` (see `connection_error`), and `ConfigurationError` if the secret is not a valid login.
        """
        cached = parse_login(self.name, self.read(), self.ca_bundle)
        try:
            return _open(cached)
        except psycopg.OperationalError as error:
            job_error = self._job_error(error)
            if not is_login_refusal(job_error):
                raise job_error from error
        self.forget()
        current = parse_login(self.name, self.read(), self.ca_bundle)
        if current == cached:
            count(_REFUSED)
            raise job_error
        try:
            return _open(current)
        except psycopg.OperationalError as error:
            job_error = self._job_error(error)
            if is_login_refusal(job_error):
                count(_REFUSED)
            raise job_error from error

    def _job_error(self, error: psycopg.OperationalError) -> JobError:
        job_error = connection_error(str(error), self.name)
        log("database.not_connected", job_error.message, error=error, code=job_error.code, secret=self.name)
        return job_error


@dataclass(frozen=True)
class _IdleConnection:
    connection: Connection
    made_at: datetime
    idle_since: datetime


class Connections:
    """Keeps at most one idle connection per database. While it is in use, others make their own and close it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._idle: dict[str, _IdleConnection] = {}
        self._made_at: dict[Connection, datetime] = {}

    def acquire(self, source: LoginSource) -> Connection:
        """Return a working connection: the idle one, or a new one. Raises as `LoginSource.connect`."""
        with self._lock:
            idle = self._idle.pop(source.name, None)
        if idle is not None:
            if self._is_usable(idle):
                self._remember(idle.connection, idle.made_at)
                return idle.connection
            idle.connection.close()
        connection = source.connect()
        self._remember(connection, self._clock.now())
        return connection

    def release(self, source: LoginSource, connection: Connection) -> None:
        """Keep the connection if it is healthy, outside a transaction, and no other one is kept. Otherwise close it."""
        with self._lock:
            made_at = self._made_at.pop(connection)
            is_idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
            if is_idle and source.name not in self._idle:
                self._idle[source.name] = _IdleConnection(connection, made_at, self._clock.now())
                return
        connection.close()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for idle in self._idle.values():
                idle.connection.close()
            self._idle.clear()

    def _remember(self, connection: Connection, made_at: datetime) -> None:
        with self._lock:
            self._made_at[connection] = made_at

    def _is_usable(self, idle: _IdleConnection) -> bool:
        now = self._clock.now()
        if now - idle.idle_since > _LONGEST_IDLE or now - idle.made_at > _LONGEST_AGE:
            return False
        with contextlib.suppress(psycopg.OperationalError):
            idle.connection.execute("SELECT 1")
            return True
        return False


CONNECTIONS = Connections(SystemClock())
"""The connections of this execution environment."""


def _open(login: Login) -> Connection:
    return psycopg.connect(
        host=login.host,
        port=login.port,
        user=login.username,
        password=login.password,
        dbname=login.database,
        sslmode=login.sslmode,
        sslrootcert=login.ca_bundle or None,
        sslcertmode="disable",  # otherwise libpq looks in the home directory, and fails if it cannot read it
        gssencmode="disable",
        connect_timeout=_CONNECT_TIMEOUT_S,
        tcp_user_timeout=_TCP_USER_TIMEOUT_MS,
        application_name="analysis-jobs",
        autocommit=True,
        prepare_threshold=None,  # prepared statements pin a session of RDS Proxy
        row_factory=dict_row,
        **_KEEPALIVES,
    )
