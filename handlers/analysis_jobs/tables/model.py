"""The table that both file formats, CSV and Excel, are written from."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeAlias

from analysis_jobs.base.values import dataclass

Cell: TypeAlias = str | int | float | bool | Decimal | date | datetime | time | timedelta | None


@dataclass(frozen=True)
class Table:
    """A table: the column titles, and rows of cells in the same order."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
