"""A PostgreSQL database for an analysis: effects that happen once per job, and reads."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, Self, TypeAlias

from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.base.extras import extra
from analysis_jobs.postgres.connections import CONNECTIONS, Connection, Connections, LoginSource
from analysis_jobs.postgres.errors import statement_error

with extra("postgres"):
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import DictRow

if TYPE_CHECKING:
    from psycopg.abc import Params
    from psycopg.sql import SQL, Composed

    from analysis_jobs.base.cancellation import CancellationToken

Cursor: TypeAlias = psycopg.Cursor[DictRow]

STATEMENT_TIMEOUT = timedelta(seconds=60)
# If a worker dies or freezes within a transaction, the server must release its locks before TCP detects that.
_IDLE_TIMEOUT = timedelta(seconds=60)
# How long to wait for a lock, for example for another attempt's transaction of the same effect.
_LOCK_TIMEOUT = timedelta(seconds=15)
_EFFECT = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}")
_SCHEMA = Path(__file__).with_name("schema.sql")


class JobIdentity(Protocol):
    """The identity of a job. `Job` implements it."""

    @property
    def tenant(self) -> str:
        """The tenant that owns the job."""

    @property
    def job_id(self) -> str:
        """The ID of the job."""


class Attempt(Protocol):
    """The attempt that uses the database. `AttemptContext` implements it."""

    @property
    def cancellation(self) -> CancellationToken:
        """Cancelled when the attempt must stop."""

    def check(self) -> None:
        """Raise `Stopped` if the heartbeat has found that the attempt must stop."""

    def hold(self) -> None:
        """Check the lease with a fenced write to the job's row. Raise `Stopped` if the attempt has lost the job."""


class Database:
    """A PostgreSQL database. `Job.database` makes it.

    All errors of PostgreSQL become `Fail`, `Retry` or `Defer` with a code that begins with `database_`. See
    `postgres.errors`. If the attempt must stop, a running statement is cancelled and the transaction is rolled back.
    """

    def __init__(
        self,
        source: LoginSource,
        attempt: Attempt,
        statement_timeout: timedelta = STATEMENT_TIMEOUT,
        connections: Connections = CONNECTIONS,
    ) -> None:
        self._source = source
        self._attempt = attempt
        self._connections = connections
        self._limits = (
            f"SET LOCAL statement_timeout = {_ms(statement_timeout)}; SET LOCAL lock_timeout = {_ms(_LOCK_TIMEOUT)}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {_ms(_IDLE_TIMEOUT)}"
        ).encode()

    @contextmanager
    def once(self, job: JobIdentity, *, effect: str) -> Iterator[Cursor | None]:
        """Run the block once per job and effect, in one transaction. It commits if the block ends without an error.

        The block gets a cursor, which returns rows as dictionaries. It gets None if the effect is done already: by
        another attempt, or because the message was delivered twice. Then do nothing. If two attempts run at the same
        time, the second one waits. It gets None if the first one commits, and the cursor if the first one rolls back.

            with database.once(job, effect="record") as cursor:
                if cursor is not None:
                    cursor.execute("UPDATE books SET value = %s WHERE id = %s", (value, book))

        Call models before the block: the server ends a transaction that is idle for a minute.

        Args:
            job: The job. Its tenant and ID are part of the key.
            effect: Up to 100 letters, digits and any of `_ . : / -`.

        Raises:
            ConfigurationError: The table of effects is missing, or `effect` is invalid.
            Stopped: The attempt has lost the job, or a caller cancelled it. The transaction is rolled back.
            Fail: As all methods; `database_query_invalid` if a statement failed and the block caught its error.
        """
        if not _EFFECT.fullmatch(effect):
            raise ConfigurationError(f"effect {effect!r}: give up to 100 letters, digits and any of _ . : / -")
        with self._transaction() as cursor:
            if not self._record_effect(cursor, job, effect):
                yield None
                return
            yield cursor
            if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
                raise Fail(
                    "database_query_invalid",
                    f"{effect}: a statement failed and its error was caught, so the transaction was rolled back. Let "
                    "the error pass, or run the statement in `with cursor.connection.transaction()`",
                )
            self._attempt.hold()

    def query(
        self, statement: LiteralString | SQL | Composed, parameters: Params | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement, as dictionaries by column name. The transaction is read-only."""
        with self._transaction() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            try:
                return cursor.execute(statement, parameters).fetchall()
            except psycopg.errors.ReadOnlySqlTransaction as error:  # outside `query` this error means a failover
                raise Fail("database_query_invalid", "Database.query only reads; use Database.once to write") from error

    def _record_effect(self, cursor: Cursor, job: JobIdentity, effect: str) -> bool:
        """Record the effect in this transaction. Return False if it is done already. Waits for a concurrent attempt."""
        try:
            cursor.execute(
                "INSERT INTO analysis_jobs_effects (tenant, job_id, effect) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (job.tenant, job.job_id, effect),
            )
        except psycopg.errors.UndefinedTable as error:
            raise ConfigurationError(
                f"the database of {self._source.name} has no table of effects; run this migration:\n"
                f"{_SCHEMA.read_text(encoding='utf-8')}"
            ) from error
        return cursor.rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with self._connection() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.execute(self._limits)
            yield cursor

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Acquire a connection. If the attempt must stop, its errors are ours: raise `Stopped` in their place."""
        self._attempt.check()
        connection = self._connections.acquire(self._source)
        try:
            with (
                _CancellableConnection(connection) as cancellable,
                self._attempt.cancellation.on_cancel(cancellable.shut_down),
            ):
                try:
                    yield connection
                except psycopg.Error as error:
                    if connection.closed:
                        cancellable.cancel()
                    self._attempt.check()
                    message = error.diag.message_primary or str(error)
                    raise statement_error(error.sqlstate, message, type(error).__name__) from error
        finally:
            self._connections.release(self._source, connection)


class _CancellableConnection:
    """The socket of a connection, which another thread can shut down."""

    def __init__(self, connection: Connection) -> None:
        # Duplicate the descriptor: if the connection closes, the system may reuse its number for another socket.
        self._socket = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        # Make it now, because libpq cannot make it from a closed connection. It connects only when it is used.
        self._cancel = connection.pgconn.cancel_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._cancel.finish()

    def shut_down(self) -> None:
        """Shut the socket down, from any thread. A blocked read returns."""
        with contextlib.suppress(OSError):  # the socket is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """Ask the server to cancel the running statement. If a proxy drops the request, the statement times out."""
        with contextlib.suppress(psycopg.Error):
            self._cancel.blocking()


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
