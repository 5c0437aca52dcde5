"""Rows as cells: what CSV files and Excel workbooks are made of."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

type Cell = str | int | float | bool | Decimal | date | datetime | time | timedelta | None


@dataclass(frozen=True)
class Table:
    """Rows as cells: what both kinds of file are made of."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
