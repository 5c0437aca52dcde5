"""Connections to PostgreSQL: made with what a secret says today, and kept while the execution environment is warm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.extras import extra
from analysis_jobs.base.observability import log
from analysis_jobs.postgres.errors import is_refusal, of_connecting
from analysis_jobs.postgres.login import Login, login

with extra("postgres"):
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import DictRow, dict_row

if TYPE_CHECKING:
    from analysis_jobs.base.errors import JobError

type Connection = psycopg.Connection[DictRow]

_CONNECT_TIMEOUT_S = 5
# A peer that is gone is noticed within these: the kernel's own defaults are two hours, and a quarter of one.
_KEEPALIVES: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_TCP_USER_TIMEOUT_MS = 15_000
# NAT gateways forget a connection that was idle for 350 s, and a frozen environment sends no keepalive.
_LONGEST_IDLE = timedelta(minutes=4)
# So that a changed host, or a role that was dropped, is noticed in a worker that is never idle.
_LONGEST_KEPT = timedelta(minutes=30)


@dataclass(frozen=True)
class Source:
    """Where a login comes from: its variable's `name`, how its secret is read, and what makes that ask AWS again."""

    name: str
    read: Callable[[], Mapping[str, Any]]
    forget: Callable[[], None]
    ca_bundle: str = ""

    def connect(self) -> Connection:
        """Connect. A login that is refused is tried with the secret as it is now, where that has changed.

        Raises `Defer`: see `of_connecting`.
        """
        tried = login(self.name, self.read(), self.ca_bundle)
        try:
            return _open(tried)
        except psycopg.OperationalError as error:
            why = self._why(error)
            if not is_refusal(why):
                raise why from error
        self.forget()
        rotated = login(self.name, self.read(), self.ca_bundle)
        if rotated == tried:
            raise why
        try:
            return _open(rotated)
        except psycopg.OperationalError as error:
            raise self._why(error) from error

    def _why(self, error: psycopg.OperationalError) -> JobError:
        why = of_connecting(str(error), self.name)
        log("database.not_connected", why.message, error=error, code=why.code, secret=self.name)
        return why


@dataclass(frozen=True)
class _Kept:
    connection: Connection
    made_at: datetime
    idle_since: datetime


class Connections:
    """At most one idle connection a database: who needs one while it is in use makes one of its own, and closes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, _Kept] = {}
        self._made_at: dict[Connection, datetime] = {}

    def take(self, source: Source) -> Connection:
        """Return a connection that answers: the kept one, or a new one. Raises as `Source.connect`."""
        with self._lock:
            kept = self._kept.pop(source.name, None)
        if kept is not None:
            if self._usable(kept):
                self._note(kept.connection, kept.made_at)
                return kept.connection
            kept.connection.close()
        connection = source.connect()
        self._note(connection, self._clock.now())
        return connection

    def give_back(self, source: Source, connection: Connection) -> None:
        """Keep a connection that is whole and within no transaction; close any other."""
        with self._lock:
            made_at = self._made_at.pop(connection)
            idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
            if idle and source.name not in self._kept:
                self._kept[source.name] = _Kept(connection, made_at, self._clock.now())
                return
        connection.close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            for kept in self._kept.values():
                kept.connection.close()
            self._kept.clear()

    def _note(self, connection: Connection, made_at: datetime) -> None:
        with self._lock:
            self._made_at[connection] = made_at

    def _usable(self, kept: _Kept) -> bool:
        now = self._clock.now()
        if now - kept.idle_since > _LONGEST_IDLE or now - kept.made_at > _LONGEST_KEPT:
            return False
        with contextlib.suppress(psycopg.OperationalError):
            kept.connection.execute("SELECT 1")
            return True
        return False


CONNECTIONS = Connections(SystemClock())
"""Those of this execution environment."""


def _open(to: Login) -> Connection:
    return psycopg.connect(
        host=to.host,
        port=to.port,
        user=to.username,
        password=to.password,
        dbname=to.database,
        sslmode=to.sslmode,
        sslrootcert=to.ca_bundle or None,
        sslcertmode="disable",  # libpq would look for one in the user's home, and fail where it may not read that
        gssencmode="disable",
        connect_timeout=_CONNECT_TIMEOUT_S,
        tcp_user_timeout=_TCP_USER_TIMEOUT_MS,
        application_name="analysis-jobs",
        autocommit=True,
        prepare_threshold=None,  # prepared statements would pin a session of RDS Proxy
        row_factory=dict_row,
        **_KEEPALIVES,
    )
