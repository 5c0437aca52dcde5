"""Writes the rows of a sheet as XML. It needs the extra `excel`, as `workbook` does.

openpyxl makes an object of each cell and an element of each of its parts. That takes most of the time of a large
workbook. Here a cell is one text. The bytes are those that openpyxl writes without lxml.

The format is SpreadsheetML: ECMA-376, part 1, 18.3.1.4 (`c`) and 18.3.1.73 (`row`).
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

from analysis_jobs.base.extras import extra
from analysis_jobs.tables.model import Cell

with extra("excel"):
    from openpyxl.utils.datetime import to_excel

MAX_WIDTH = 60  # of a column, in characters
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
_FORMATS: tuple[tuple[type, str], ...] = (
    (datetime, "yyyy-mm-dd hh:mm:ss"),
    (date, "yyyy-mm-dd"),
    (time, "hh:mm:ss"),
    (timedelta, "[h]:mm:ss"),
)


class Look(NamedTuple):
    """What decides on the style of a cell."""

    is_text: bool = False
    is_quoted: bool = False
    number_format: str | None = None


_TEXT, _QUOTED_TEXT, _GENERAL = Look(is_text=True), Look(is_text=True, is_quoted=True), Look()


def look_of(value: Cell) -> Look:
    """Return how a cell with this value looks. A text is quoted if it looks like a formula."""
    match value:
        case str():
            return _QUOTED_TEXT if value.startswith(_FORMULA_STARTS) else _TEXT
        case None | int() | float():  # a bool is an int
            return _GENERAL
        case Decimal():
            exponent = value.as_tuple().exponent
            places = min(10, -exponent) if isinstance(exponent, int) and exponent < 0 else 0
            return Look(number_format=f"#,##0.{'0' * places}" if places else "#,##0")
    return Look(number_format=next(number_format for kind, number_format in _FORMATS if isinstance(value, kind)))


def row_xml(number: int, letters: Sequence[str], row: Sequence[Cell], style: Callable[[Cell], int]) -> bytes:
    """Return the element `row`. `letters` name the columns; `style` returns the number of a cell's style."""
    cells = [
        f'<c r="{letter}{number}" s="{style(value)}" {_content(value)}'
        for letter, value in zip(letters, row, strict=True)
    ]
    return f'<row r="{number}">{"".join(cells)}</row>'.encode()


def _content(value: Cell) -> str:
    """Return the type of a cell and what follows."""
    match value:
        case str():
            return _text(value)
        case None:
            return 't="n" />'
        case bool():
            return f't="b"><v>{value:d}</v></c>'
        case int() | float() | Decimal():
            number = value
        case moment:
            number = to_excel(moment)  # type: ignore[no-untyped-call]  # openpyxl has no hints here
    return f't="n"><v>{"%.16g" % number}</v></c>'  # noqa: UP031 - `format` writes a Decimal in another way


def _text(text: str) -> str:
    if not text:
        return 't="inlineStr" />'
    bare = text.strip()
    space = ' xml:space="preserve"' if bare and bare != text else ""
    return f't="inlineStr"><is><t{space}>{escape(text, quote=False)}</t></is></c>'


def width(value: Cell) -> int:
    """Return the width of a value's widest line, in characters. East Asian wide characters count as two.

    No more than the first `MAX_WIDTH` characters of a line count.
    """
    text = value if isinstance(value, str) else _shown(value)
    if text.isascii() and "\n" not in text:
        return min(MAX_WIDTH, len(text))
    return max(
        len(line) if line.isascii() else sum(2 if east_asian_width(letter) in "FW" else 1 for letter in line)
        for line in (line[:MAX_WIDTH] for line in text.split("\n"))
    )


def _shown(value: Cell) -> str:
    if isinstance(value, datetime):
        return "yyyy-mm-dd hh:mm:ss"
    return "" if value is None else str(value)
