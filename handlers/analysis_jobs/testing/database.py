"""The PostgreSQL database of one test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TestDatabase:
    """A database of one test. `login` is the secret for `job.database`. `connect` connects as the owner."""

    __test__ = False  # pytest collects classes whose name begins with `Test`

    login: Mapping[str, Any]
    connect: Callable[[], Any]

    def query(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run a statement, and return its rows as dictionaries. The values replace each `%s`."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode(), values or None)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def execute(self, statement: str, *values: object) -> None:
        """Run a statement. The values replace each `%s`."""
        self.query(statement, *values)
