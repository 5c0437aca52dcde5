"""A PostgreSQL table of jobs that workers poll, or that a queue refers to."""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from analysis_jobs.moving.items import Claim, Item, Problem, States

_DATA_ERROR = "22"  # SQLSTATE class: the value does not fit the column's type


class PostgresTable:
    """Work as rows of a PostgreSQL table.

    Args:
        connection: An open connection of psycopg with `autocommit`.
        table: The table's name, with a schema if needed: `app.jobs`.
        states: The words and times of the older system. Their `since` is a column.
        old_id: The column with the id, which is unique.
        status: The column with the state.
        mark: A column of type text, which the table needs. It stores a move that has begun. The column `<mark>_job`,
            also of type text, gets the id of the new job.

    A row that a worker has locked is left alone: the mark is written with SKIP LOCKED.
    """

    def __init__(  # noqa: PLR0913 - the names of a table
        self,
        connection: Any,
        table: str,
        *,
        states: States,
        old_id: str = "id",
        status: str = "status",
        mark: str = "move_in",
    ) -> None:
        if not connection.autocommit:
            raise ValueError("open the connection with autocommit: each step of a move is a transaction of its own")
        self.name = f"{table}/{status}"
        self._connection = connection
        self._states = states
        self._columns = (old_id, status, mark, f"{mark}_job")
        self._table = ".".join(_quoted(part) for part in table.split("."))

    def open_work(self, now: datetime, *, take: bool) -> Generator[Item | Problem, None, None]:  # noqa: ARG002 - nothing is taken
        """Yield the rows that have not ended, those that wait longest first."""
        _, status, *_ = self._quoted_columns()
        where = f"WHERE {status}::text = ANY(%s) ORDER BY {_quoted(self._states.since)}"
        for row in self._rows(where, [list(self._states.open)]):
            yield self._item(row, now)

    def look(self, old_id: str, now: datetime) -> Item | Problem | None:
        """Return the item of an id."""
        column, *_ = self._quoted_columns()
        try:
            rows = self._rows(f"WHERE {column} = %s", [old_id])
        except Exception as error:
            if str(getattr(error, "sqlstate", "")).startswith(_DATA_ERROR):
                return None  # for example a text that is no UUID
            raise
        return self._item(rows[0], now) if rows else None

    def claim(self, item: Item, claim: Claim) -> bool:
        """Mark the row, if its state and its time are as they were read and nobody has locked it."""
        _, status, mark, _ = self._quoted_columns()
        condition = f"{status} = %s AND {_quoted(self._states.since)} IS NOT DISTINCT FROM %s"
        values = [self._states.moving, claim.to_json()]
        return self._update(item, f"{status} = %s, {mark} = %s", values, condition, [item.status, item.raw_since])

    def release(self, item: Item) -> None:
        """Give the row its state from before the move."""
        _, status, mark, _ = self._quoted_columns()
        was = item.claim.was if item.claim else item.status
        self._update(item, f"{status} = %s, {mark} = NULL", [was], f"{status} = %s", [self._states.moving])

    def settle(self, item: Item, job_id: str) -> bool:
        """Name the job, if the row is still marked."""
        _, status, _, job = self._quoted_columns()
        values = [self._states.moved, job_id]
        return self._update(item, f"{status} = %s, {job} = %s", values, f"{status} = %s", [self._states.moving])

    def forget(self, item: Item) -> None:
        """Do nothing: there is no message."""

    def notes(self) -> list[str]:
        """Return nothing."""
        return []

    def _quoted_columns(self) -> tuple[str, str, str, str]:
        old_id, status, mark, job = self._columns
        return _quoted(old_id), _quoted(status), _quoted(mark), _quoted(job)

    def _item(self, row: dict[str, Any], now: datetime) -> Item | Problem:
        old_id, status, mark, job = (row[column] for column in self._columns)
        return self._states.item(str(old_id), status, row, mark, job, now)

    def _rows(self, where: str, values: list[Any]) -> list[dict[str, Any]]:
        cursor = self._connection.execute(f"SELECT * FROM {self._table} {where}", values)  # noqa: S608 - quoted names
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _update(self, item: Item, changes: str, values: list[Any], condition: str, compared: list[Any]) -> bool:
        column, *_ = self._quoted_columns()
        chosen = f"SELECT {column} FROM {self._table} WHERE {column} = %s AND {condition} FOR UPDATE SKIP LOCKED"  # noqa: S608 - quoted names
        statement = f"UPDATE {self._table} SET {changes} WHERE {column} IN ({chosen})"  # noqa: S608 - quoted names
        cursor = self._connection.execute(statement, [*values, item.old_id, *compared])
        return bool(cursor.rowcount)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
