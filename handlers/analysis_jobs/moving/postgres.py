"""A PostgreSQL table with one row for each job. The old worker polls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.extras import extra
from analysis_jobs.moving.source import OldJob, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg import Connection

_MOVING = "moving"
_MOVED = "moved"


@dataclass(frozen=True)
class PostgresSource:
    """See `Source`.

    The table needs two more columns: `moved_to text`, and `moved_from text` for the status before the move. If the
    status is an enumeration, add the values `moving` and `moved` to it.

    Args:
        connection: A psycopg connection in autocommit mode.
        table: The name of the table.
        key: The column of the id.
        status: The column of the status.
        queued: The values of the status of jobs that wait.
        running: The values of the status of jobs that a worker has.
        changed_at: The column with the time of the worker's last write, None if there is no such column.
    """

    connection: Connection[Any]
    table: str
    key: str
    status: str
    queued: frozenset[str]
    running: frozenset[str]
    changed_at: str | None = None

    @property
    def name(self) -> str:
        """The name of the source, for idempotency keys."""
        return f"postgresql {self.table}"

    def unfinished(self) -> Iterator[OldJob]:
        """See `Source.unfinished`. The oldest ids come first."""
        known = sorted({*self.queued, *self.running, _MOVING})
        rows = self._run("SELECT * FROM {table} WHERE {status}::text = ANY(%s) ORDER BY {key}", known)
        yield from map(self._old, rows)

    def take(self, old: OldJob) -> bool:
        """See `Source.take`. One conditional update: a worker that locks the row first keeps it."""
        before = str(old.raw[self.status])
        statement = (
            "UPDATE {table} SET {status} = %s, moved_from = %s WHERE {key} = %s AND {status}::text = %s RETURNING {key}"
        )
        return bool(self._run(statement, _MOVING, before, old.raw[self.key], before))

    def finish(self, old: OldJob, new_id: str) -> None:
        """See `Source.finish`."""
        statement = "UPDATE {table} SET {status} = %s, moved_to = %s WHERE {key} = %s RETURNING {key}"
        self._run(statement, _MOVED, new_id, old.raw[self.key])

    def find(self, old_id: str) -> OldJob | None:
        """See `Source.find`."""
        rows = self._run("SELECT * FROM {table} WHERE {key}::text = %s", old_id)
        return self._old(rows[0]) if rows else None

    def _run(self, statement: str, *values: Any) -> list[Mapping[str, Any]]:
        with extra("postgres"):
            from psycopg import sql  # noqa: PLC0415 - only this source needs it
            from psycopg.rows import dict_row  # noqa: PLC0415 - as above

        names = {"table": self.table, "key": self.key, "status": self.status}
        query = sql.SQL(statement).format(**{name: sql.Identifier(*value.split(".")) for name, value in names.items()})
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return list(cursor.execute(query, values).fetchall())

    def _old(self, row: Mapping[str, Any]) -> OldJob:
        status = str(row[self.status])
        state = {_MOVING: State.MOVING, _MOVED: State.MOVED}.get(status, State.ENDED)
        if status in self.queued:
            state = State.QUEUED
        elif status in self.running:
            state = State.RUNNING
        changed_at = row[self.changed_at] if self.changed_at else None
        return OldJob(str(row[self.key]), state, row, changed_at, row.get("moved_to"))
