"""The XML of rows, which the library writes itself, is compared with what openpyxl writes for the same cells."""

import io
import os
import re
import subprocess
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

from analysis_jobs.tables.model import Cell, Table
from analysis_jobs.tables.workbook import workbook

_ROOT = Path(__file__).parents[2]
_LINE = Side(style="thin", color="D0D5DD")
_GRID = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_WRAPPED, _PLAIN = Alignment(vertical="top", wrap_text=True), Alignment(vertical="top")

_TEXTS = [
    "text", "=1+1", "+1", "-1", "@A1", "'x", "#N/A", "TRUE", "12", "12%", "", " ", "\n", " before", "after ", "a\tb",
    "a\nb\n\nc", "\u00a0x", "a & b < c > d \"e\" 'f'", "&amp; &#10; ]]>", "</t></is></c></row></sheetData>",
    '<row r="2" />', "\u00e4\u00f6\u20ac", "\u7d4c\u6e08" * 20, "\U0001f4c8\u200b\u00ad", "\x7f\x85\u2028", "_x000D_",
    "x" * 32_767, "https://example.com/?a=1&b=2", "mailto:a@example.com",
]  # fmt: skip
_NUMBERS: list[Cell] = [
    0, -1, 7, 10**15, -(10**15), 10**20, 0.5, -0.0, 0.1 + 0.2, 1e300, 5e-324, 1 / 3, 123456789012345.6, 1e16, True,
    False, Decimal(3), Decimal("0.10"), Decimal("-1250.50"), Decimal("1E+5"), Decimal("1E-12"), Decimal("-0"),
    Decimal("0E-3"),
]  # fmt: skip
_moment = datetime.fromisoformat
_MOMENTS: list[Cell] = [
    date(1900, 3, 1), date(2026, 11, 22), date(9999, 12, 31), _moment("1900-03-01"),
    _moment("2026-01-02 03:04:05.678901"), _moment("9999-12-31 23:59:59"), time(), time(12, 30),
    time(23, 59, 59, 999999), timedelta(), timedelta(hours=30), timedelta(days=400, microseconds=1),
]  # fmt: skip
_ALL = [*_TEXTS, *_NUMBERS, None, *_MOMENTS]


def _column(cells: list[Any]) -> Table:
    return Table(("Value",), tuple((cell,) for cell in cells))


TABLES = {
    "all kinds": _column(_ALL),
    "all kinds, reversed": _column(_ALL[::-1]),
    "all kinds in one row": Table(tuple(f"Title {number}" for number in range(len(_ALL))), (tuple(_ALL), tuple(_ALL))),
    "a date before a duration": _column(
        [date(2026, 1, 1), timedelta(1), time(1), _moment("2026-01-01"), Decimal("0.1")]
    ),
    "empty cells": Table(("A", "B", "C"), ((None, None, None), ("", None, ""), (1, "", None))),
    "unusual titles": Table(("=1+1", "", " a ", "\u7d4c\n<b>", "a" * 100), (("x", "-y", None, 1, True),)),
    "no rows": Table(("A", "B"), ()),
    "no columns": Table((), ()),
    "rows without columns": Table((), ((), ())),
    "more than nine rows": _column(list(range(120))),
}


def by_openpyxl(table: Table, title: str | None) -> bytes:
    """Write a table cell by cell, with the style of each."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = "Sheet"

    def put(row: int, column: int, value: Cell) -> Any:
        found = page.cell(row, column, value)
        if isinstance(value, str):
            found.data_type, found.quotePrefix = "s", value.startswith(("=", "+", "-", "@", "'"))
        return found

    header = 1 if title is None else 3
    if title is not None:
        put(1, 1, title).font = Font(bold=True, size=14)
    for column, name in enumerate(table.titles, start=1):
        head = put(header, column, name)
        head.font, head.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", start_color="1F3A5F")
        head.alignment, head.border = _WRAPPED, _GRID
    for row, cells in enumerate(table.rows, start=header + 1):
        for column, value in enumerate(cells, start=1):
            found = put(row, column, value)
            found.border, found.alignment = _GRID, _WRAPPED if isinstance(value, str) else _PLAIN
            if number_format := _number_format(value):
                found.number_format = number_format
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _number_format(value: Cell) -> str | None:
    match value:
        case Decimal():
            places = min(10, max(0, -int(value.as_tuple().exponent)))
            return f"#,##0.{'0' * places}" if places else "#,##0"
        case datetime():
            return "yyyy-mm-dd hh:mm:ss"
        case date():
            return "yyyy-mm-dd"
        case time():
            return "hh:mm:ss"
        case timedelta():
            return "[h]:mm:ss"
    return None


def parts(content: bytes) -> tuple[bytes, ...]:
    """Return what depends on the cells: the dimension of the sheet, its rows, and the styles."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        sheet, styles = archive.read("xl/worksheets/sheet1.xml"), archive.read("xl/styles.xml")
    found = re.fullmatch(rb"(.*)(<dimension[^>]*>)(.*)(<sheetData.*</sheetData>|<sheetData ?/>)(.*)", sheet, re.DOTALL)
    assert found
    return found[2], found[4], styles


@pytest.mark.parametrize("title", [None, "=A title"])
@pytest.mark.parametrize("name", TABLES)
def test_a_workbook_reads_as_if_openpyxl_had_written_it(name: str, title: str | None) -> None:
    def cells(content: bytes) -> list[Any]:
        [page] = load_workbook(io.BytesIO(content)).worksheets
        return [
            (found.coordinate, found.value, found.data_type, found.number_format, found.quotePrefix, found.style_id)
            for row in page.iter_rows()
            for found in row
        ]

    assert cells(workbook(TABLES[name], "Sheet", title)) == cells(by_openpyxl(TABLES[name], title))


def test_the_bytes_are_those_of_openpyxl_without_lxml() -> None:
    """A package contains no lxml. openpyxl decides at its import, so this takes a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.handlers.test_workbook_bytes"],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENPYXL_LXML": "False"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(len(TABLES) * 2)]


def _compare_bytes() -> int:
    """Compare all tables, with and without a title. Return how many were compared."""
    titles = [None, "A title"]
    for name, table in TABLES.items():
        for title in titles:
            for one, other in zip(
                parts(workbook(table, "Sheet", title)), parts(by_openpyxl(table, title)), strict=True
            ):
                assert one == other, name
    return len(TABLES) * len(titles)


if __name__ == "__main__":
    print(_compare_bytes())
