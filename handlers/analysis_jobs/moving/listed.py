"""Work that can only be listed: of a system without a queue, or of one that nobody may write to."""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis_jobs.moving.items import Claim, Item, Phase, Problem, plain

_SCHEMA = "CREATE TABLE IF NOT EXISTS moves (old_id TEXT PRIMARY KEY, claim TEXT NOT NULL, job TEXT)"


class Listed:
    """Work from a function that lists it. The marks are in a file of this machine, the journal.

    Args:
        name: A name for the source, for ever the same: the idempotency keys depend on it.
        rows: Returns the rows of everything that is open. A row must not have a live worker.
        read: Returns the row of an id now, None if there is none. A row that changed since it was listed is left.
        journal: An SQLite file for the marks. Keep it until the older system is gone: without it, a second run after
            24 hours submits everything again, and dual read does not find the new jobs.
        old_id, status: The names of the fields with the id and with the state.

    The older system knows nothing of the move. If it can start the work by itself, the work is done twice.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults
        self,
        name: str,
        rows: Callable[[], Iterable[Mapping[str, Any]]],
        read: Callable[[str], Mapping[str, Any] | None],
        journal: Path,
        *,
        old_id: str = "id",
        status: str = "status",
    ) -> None:
        self.name = name
        self._list = rows
        self._read = read
        self._old_id = old_id
        self._status = status
        self._journal = journal
        self._execute(_SCHEMA)

    def open_work(self, now: datetime, *, take: bool) -> Generator[Item | Problem, None, None]:  # noqa: ARG002 - it has no rule
        """Yield the listed rows that the journal does not call moved, and the moves that did not end."""
        begun = {old_id for (old_id,) in self._select("SELECT old_id FROM moves WHERE job IS NULL")}
        for number, row in enumerate(self._list()):
            if row.get(self._old_id) in {None, ""}:
                yield Problem(f"row {number}", f"it has no {self._old_id!r}")
                continue
            item = self._item(str(row[self._old_id]), row)
            begun.discard(item.old_id)
            if item.phase is not Phase.MOVED:
                yield item
        for old_id in sorted(begun):  # they are not listed any more
            yield self._item(old_id, {})

    def look(self, old_id: str, now: datetime) -> Item | Problem | None:  # noqa: ARG002 - it has no rule
        """Return the item of an id."""
        row = self._read(old_id)
        item = self._item(old_id, row or {})
        return None if row is None and item.phase is Phase.QUEUED else item

    def claim(self, item: Item, claim: Claim) -> bool:
        """Write the claim into the journal, if the row is as it was listed."""
        row = self._read(item.old_id)
        if row is None or plain(row) != item.row:
            return False
        return self._execute("INSERT OR IGNORE INTO moves VALUES (?, ?, NULL)", item.old_id, claim.to_json())

    def release(self, item: Item) -> None:
        """Remove the claim."""
        self._execute("DELETE FROM moves WHERE old_id = ? AND job IS NULL", item.old_id)

    def settle(self, item: Item, job_id: str) -> bool:
        """Write the job's id into the journal."""
        return self._execute("UPDATE moves SET job = ? WHERE old_id = ? AND job IS NULL", job_id, item.old_id)

    def forget(self, item: Item) -> None:
        """Do nothing: there is no message."""

    def notes(self) -> list[str]:
        """Return nothing."""
        return []

    def _item(self, old_id: str, row: Mapping[str, Any]) -> Item:
        found = self._select("SELECT claim, job FROM moves WHERE old_id = ?", old_id)
        claim, job = found[0] if found else (None, None)
        begun = Claim.from_json(claim) if claim and not job else None
        phase = Phase.MOVED if job else Phase.MOVING if begun else Phase.QUEUED
        return Item(old_id, str(row.get(self._status, "")), phase, plain(row), claim=begun, moved_to=job)

    def _select(self, statement: str, *values: str) -> list[Any]:
        with closing(self._connect()) as journal:
            return journal.execute(statement, values).fetchall()

    def _execute(self, statement: str, *values: str) -> bool:
        """Execute a statement as a transaction of its own. Return whether it changed a row."""
        with closing(self._connect()) as journal:
            return journal.execute(statement, values).rowcount > 0

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._journal, isolation_level=None)
