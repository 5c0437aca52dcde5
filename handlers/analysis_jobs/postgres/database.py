"""PostgreSQL for an analysis: an effect of a job that is done once, whichever attempt does it, and plain reads."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, Self

from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.base.extras import extra
from analysis_jobs.postgres.connections import CONNECTIONS, Connection, Connections, Source
from analysis_jobs.postgres.errors import of_statement

with extra("postgres"):
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import DictRow

if TYPE_CHECKING:
    from psycopg.abc import Params
    from psycopg.sql import SQL, Composed

    from analysis_jobs.base.cancellation import CancellationToken

type Cursor = psycopg.Cursor[DictRow]

STATEMENT_TIMEOUT = timedelta(seconds=60)
# A worker that dies, or is frozen, within a transaction must not hold the job's row until TCP gives up on it.
_IDLE_TIMEOUT = timedelta(seconds=60)
# How long to wait for another attempt's transaction, which holds the same row.
_LOCK_TIMEOUT = timedelta(seconds=15)
_EFFECT = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}")
_SCHEMA = Path(__file__).with_name("schema.sql")


class Named(Protocol):
    """What an effect is keyed by, with its own name: a `Job`."""

    @property
    def tenant(self) -> str: ...  # noqa: D102 - as of the job

    @property
    def job_id(self) -> str: ...  # noqa: D102 - as of the job


class Attempt(Protocol):
    """The attempt that a database works for."""

    @property
    def cancellation(self) -> CancellationToken:
        """Cancelled when the attempt must stop."""

    def check(self) -> None:
        """Raise `Stopped` if the attempt must stop, as far as the heartbeat knows."""

    def hold(self) -> None:
        """Ask the job's row. Raise `Stopped` if the attempt does not hold the job any more."""


class Database:
    """A PostgreSQL database; `job.database` makes it. Every error comes out as a `JobError`, see `postgres_errors`.

    A cancel, a lost lease and the end of the invocation break off whatever it waits for, and roll back.
    """

    def __init__(
        self,
        source: Source,
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
    def once(self, job: Named, *, effect: str) -> Iterator[Cursor | None]:
        """Do an effect of a job once: one transaction, committed where the block ends without an error.

        Gives a cursor (a row is a dictionary), or None where the effect is done already, by another attempt or for a
        message that came twice: then there is nothing to do. Two at once: the second waits, and gets None, or the
        cursor if the first one rolls back. What takes long outside of the database (a model's call) belongs outside of
        the block: the server ends a transaction that was idle for a minute.

        Raises `ConfigurationError` where the table of effects is missing, `Stopped` instead of committing where the job
        is another worker's by now or cancelled.
        """
        if not _EFFECT.fullmatch(effect):
            raise ConfigurationError(f"effect {effect!r}: give up to 100 letters, digits and any of _ . : / -")
        with self._transaction() as cursor:
            if not self._mark(cursor, job, effect):
                yield None
                return
            yield cursor
            if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
                raise Fail(
                    "database_query_invalid",
                    f"{effect}: a statement failed, and the analysis went on: nothing of it is kept. Let its error "
                    "through, or run it in `with cursor.connection.transaction()`",
                )
            self._attempt.hold()

    def query(
        self, statement: LiteralString | SQL | Composed, parameters: Params | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement that only reads, each by its columns' names."""
        with self._transaction() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            try:
                return cursor.execute(statement, parameters).fetchall()
            except psycopg.errors.ReadOnlySqlTransaction as error:  # elsewhere it says that the server has failed over
                raise Fail("database_query_invalid", "Database.query only reads: write in Database.once") from error

    def _mark(self, cursor: Cursor, job: Named, effect: str) -> bool:
        """Say that an effect is done, if this transaction commits; return whether it was not. Waits for who does it."""
        try:
            cursor.execute(
                "INSERT INTO analysis_jobs_effects (tenant, job_id, effect) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (job.tenant, job.job_id, effect),
            )
        except psycopg.errors.UndefinedTable as error:
            raise ConfigurationError(
                f"the database of {self._source.name} has no table of effects; its migrations must run:\n"
                f"{_SCHEMA.read_text(encoding='utf-8')}"
            ) from error
        return cursor.rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with self._lent() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.execute(self._limits)
            yield cursor

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        """Lend a connection. What breaks on it while the attempt has to stop is the stop's own doing."""
        self._attempt.check()
        connection = self._connections.take(self._source)
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
                    raise of_statement(error.sqlstate, message, type(error).__name__) from error
        finally:
            self._connections.give_back(self._source, connection)


class _CancellableConnection:
    """What a connection goes over, so that another thread can cut it."""

    def __init__(self, connection: Connection) -> None:
        # Of its own: the connection's descriptor may be somebody else's by the time it is cut.
        self._socket = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        # Made now: libpq makes none of a connection that was cut. It opens nothing until it is used.
        self._cancel = connection.pgconn.cancel_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._cancel.finish()

    def shut_down(self) -> None:
        """Shut the socket down, from any thread: whoever waits for the server stops waiting."""
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """Tell the server that nobody waits for its answer any more. A proxy may not pass it on: then it times out."""
        with contextlib.suppress(psycopg.Error):
            self._cancel.blocking()


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
