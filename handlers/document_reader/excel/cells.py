"""Reads the cells of an Excel sheet: the text that each of them shows."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from xml.etree.ElementTree import Element

from document_reader.excel.format_codes import GENERAL
from document_reader.excel.number_format import NumberFormats
from document_reader.excel.workbook import Workbook, local, rich_text, unescaped

MAX_COLUMNS = 16_384
_PLACE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d+)")
# Quoted text and sheet names, or a place such as $A1 that is not a part of a name or the name of a function.
_REFERENCE = re.compile(r"(\"[^\"]*\"|'[^']*')|(?<![\w.])(\$?)([A-Z]{1,3})(\$?)(\d{1,7})(?![\w.(])")
_SECONDS_A_DAY = 86_400
_EPOCHS = {False: datetime(1899, 12, 30, tzinfo=UTC), True: datetime(1904, 1, 1, tzinfo=UTC)}
_LETTERS = 26
_REMEMBERED = 10_000


class Cells:
    """Returns the texts of a sheet's cells. It remembers the formulas that cells share."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self._numbers = NumberFormats(date1904=workbook.date1904)
        self._shared: dict[str, tuple[str, int, int]] = {}
        # The same dates, prices and codes stand in many rows.
        self._number = lru_cache(maxsize=_REMEMBERED)(self._number_text)

    def text(self, cell: Element, row: int, column: int) -> str:
        """Return the text that a cell shows: a formula as its saved value, or as the formula if none was saved."""
        kind, value, formula, inline = cell.get("t", "n"), None, None, None
        for child in cell:
            name = local(child)
            if name == "v":
                value = child.text or ""
            elif name == "f":
                formula = self._formula(child, row, column)
            elif name == "is":
                inline = child
        if inline is not None:
            return self._plain(rich_text(inline), cell)
        if value is None or (value == "" and kind != "str"):
            return f"={formula}" if formula else ""
        return self._value(kind, value, cell)

    def _value(self, kind: str, value: str, cell: Element) -> str:
        match kind:
            case "s":
                index = int(value) if value.strip().isdecimal() else -1
                return self._plain(self._workbook.texts[index], cell) if 0 <= index < len(self._workbook.texts) else ""
            case "b":
                return "TRUE" if value.strip() in {"1", "true"} else "FALSE"
            case "e":
                return value
            case "str" | "inlineStr":
                return self._plain(unescaped(value), cell)
            case "d":
                return self._date(value, cell)
        return self._number(value, cell.get("s", "0"))

    def _number_text(self, value: str, style: str) -> str:
        code = self._code(style)
        try:
            number = float(value)
        except ValueError:
            return _line(self._numbers.text(value, code))
        return _line(self._numbers.number(number, code))

    def _plain(self, text: str, cell: Element) -> str:
        return _line(self._numbers.text(text, self._format(cell)))

    def _date(self, value: str, cell: Element) -> str:
        """Return a date that is stored in ISO 8601, as in ISO strict files."""
        code = self._format(cell)
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return value
        if code == GENERAL:
            return value.replace("T", " ")
        epoch = _EPOCHS[self._workbook.date1904]
        passed = found.replace(tzinfo=UTC) - epoch
        return _line(self._numbers.number(passed.total_seconds() / _SECONDS_A_DAY, code))

    def _format(self, cell: Element) -> str:
        return self._code(cell.get("s", "0"))

    def _code(self, style: str) -> str:
        formats = self._workbook.formats
        return formats[int(style)] if style.isdecimal() and int(style) < len(formats) else GENERAL

    def _formula(self, element: Element, row: int, column: int) -> str:
        """Return a formula. A formula that cells share is written in the first of them only."""
        text = unescaped(element.text or "").strip()
        if element.get("t") != "shared":
            return text
        index = element.get("si", "")
        if text:
            self._shared[index] = text, row, column
            return text
        if index not in self._shared:
            return ""
        first, first_row, first_column = self._shared[index]
        return _moved(first, row - first_row, column - first_column)


def place_of(reference: str) -> tuple[int, int] | None:
    """Return the row and the column of a reference such as B12, counted from 1, or None if it is not one."""
    match = _PLACE.fullmatch(reference)
    if match is None:
        return None
    column = _column(match[1])
    return (int(match[2]), column) if column <= MAX_COLUMNS else None


def _line(text: str) -> str:
    return " ".join(text.split())


def _moved(formula: str, rows: int, columns: int) -> str:
    """Return a formula with its relative references moved, as Excel does in the cells that share a formula."""

    def move(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        column = match[3] if match[2] else _letters(max(_column(match[3]) + columns, 1))
        row = match[5] if match[4] else str(max(int(match[5]) + rows, 1))
        return f"{match[2]}{column}{match[4]}{row}"

    return _REFERENCE.sub(move, formula)


@lru_cache(maxsize=1_000)
def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


def _letters(number: int) -> str:
    letters = ""
    while number:
        number, index = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + index) + letters
    return letters
