"""Writes rows of a pydantic model as an Excel workbook or a CSV file.

Each field is a column. Its heading is the field's `title` (`Field(title="Device ID")`), or else its name. The same rows
always give the same bytes. Texts may come from untrusted documents, so no text becomes a formula.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.tables.model import Cell, Table

EXCEL_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV_TYPE = "text/csv; charset=utf-8"
# Excel allows 1,048,576 rows, but writing so many does not fit into a function's memory.
MAX_ROWS = 50_000
# https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
MAX_CELL_CHARACTERS = 32_767
_EXACT_DIGITS = 15
_FIRST_DAY = date(1900, 3, 1)  # Excel's calendar has a 29 February 1900, so its earlier dates are wrong
# Characters that XML 1.0 does not allow, and unpaired surrogates.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# https://owasp.org/www-community/attacks/CSV_Injection. Some versions of Excel also evaluate the full-width forms.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# In many countries Excel separates the fields of a CSV file at semicolons, and a user may choose any other separator.
# It then also ends a row at each line end, because it does not see our quotation marks.
_SEPARATOR = ",;|\t\n"
_IGNORED = '\\s\ufeff\u00ad\u200b-\u200f\u2060"'  # what a spreadsheet may drop before it looks for a formula
_FORMULA_START = re.compile(f"(^|[{_SEPARATOR}])([{_IGNORED}]*)(?=[{_FORMULA}])")
_NUMBER = re.compile(rf"[+-]?\d[\d.]*\s*(?=[{_SEPARATOR}]|$)")
_NEEDS_QUOTES = re.compile(f'[{_SEPARATOR}"]')

# A number of more digits than a cell holds is a text. It is no formula.
_LONG_NUMBER = re.compile(r"-(?=[\d.]{16})\d+(\.\d+)?")


def excel_file(
    rows: Sequence[BaseModel],
    columns: type[BaseModel] | None = None,
    *,
    sheet: str = "Sheet1",
    title: str | None = None,
) -> bytes:
    """Return a workbook of one sheet, with a frozen header, filters, fitted column widths, typed cells and print setup.

    `columns` is the rows' model; give it if `rows` may be empty. `title` stands above the header.
    Raises `Fail` (`file_too_large`) for more than `MAX_ROWS` rows, and `ConfigurationError` for rows of another model
    or if the package lacks the extra `excel`.
    """
    from analysis_jobs.tables.workbook import workbook  # noqa: PLC0415 - openpyxl takes half a second

    return workbook(table(rows, columns), sheet_name(sheet), None if title is None else text_cell(title))


def csv_file(rows: Sequence[BaseModel], columns: type[BaseModel] | None = None) -> bytes:
    """Return comma-separated values in UTF-8, with a byte order mark for Excel. Raises as `excel_file` does.

    No text becomes a formula, whatever separator the reading program uses. Numbers stay numbers.
    """
    found = table(rows, columns)
    lines = [[_csv_text(title) for title in found.titles]] if found.titles else []
    lines += [[_csv_cell(cell) for cell in row] for row in found.rows]
    return "".join(f"{','.join(map(_quoted, line))}\r\n" for line in lines).encode("utf-8-sig")


def table(rows: Sequence[BaseModel], columns: type[BaseModel] | None = None) -> Table:
    """Return the rows as a table. `columns` is their model (default: the first row's). Raises as `excel_file` does."""
    model = columns or (type(rows[0]) if rows else None)
    if model is None:
        return Table((), ())
    if others := {type(row).__name__ for row in rows if not isinstance(row, model)}:
        raise ConfigurationError(
            f"rows of {model.__name__} contain {', '.join(sorted(others))}: give rows of one model for each file"
        )
    if len(rows) > MAX_ROWS:
        raise Fail("file_too_large", f"{len(rows)} rows do not fit: a file has at most {MAX_ROWS}")
    titles = dict(_titles(model))
    return Table(
        tuple(text_cell(title) for title in titles.values()),
        tuple(tuple(cell(getattr(row, name)) for name in titles) for row in rows),
    )


def cell(value: Any) -> Cell:
    """Return a field's value as a cell. A list of texts becomes one text; another unsupported type becomes JSON."""
    match value.value if isinstance(value, Enum) else value:
        case None | bool() as same:
            return same
        case int() | float() | Decimal() as number:
            return number if _is_exact(number) else str(number)
        case date() | time() | timedelta() as moment:  # a datetime is a date
            return _moment(moment)
        case str() as text:
            return text_cell(text)
        case list() | tuple() as texts if all(isinstance(text, str) for text in texts):
            return text_cell("; ".join(texts))
        case other:
            return text_cell(json.dumps(to_jsonable_python(other), ensure_ascii=False))


def _is_exact(number: float | Decimal) -> bool:
    """Tell whether Excel can store the number exactly. It stores doubles, and keeps 15 digits."""
    if isinstance(number, float):
        return math.isfinite(number)
    exact = Decimal(number)
    return exact.is_finite() and len(exact.normalize().as_tuple().digits) <= _EXACT_DIGITS


def _moment(value: date | time | timedelta) -> Cell:
    """Return a date or time without a zone: a datetime with a zone is converted to UTC.

    A date before Excel's calendar and a negative duration become text.
    """
    match value:
        case datetime():
            plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return plain if plain.date() >= _FIRST_DAY else plain.isoformat(" ")
        case date():
            return value if value >= _FIRST_DAY else value.isoformat()
        case time():
            return value.replace(tzinfo=None)
    return value if value >= timedelta() else str(value)


def text_cell(text: str) -> str:
    """Return a text without characters that a cell cannot hold, truncated to `MAX_CELL_CHARACTERS`."""
    clean = _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return clean if len(clean) <= MAX_CELL_CHARACTERS else f"{clean[: MAX_CELL_CHARACTERS - 1]}\u2026"


def sheet_name(wanted: str) -> str:
    r"""Return a valid sheet name: at most 31 characters, none of `[]:*?/\`, no quote at either end."""
    name = re.sub(r"[\[\]:*?/\\]", "-", text_cell(wanted).replace("\n", " "))[:31].strip("' ")
    return name if name and name.lower() != "history" else "Sheet1"


def _titles(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield name, field.title or _humanised(name)
    for name, computed in model.model_computed_fields.items():
        yield name, computed.title or _humanised(name)


def _humanised(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _csv_cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case str():
            return value if _LONG_NUMBER.fullmatch(value) else _csv_text(value)
        case datetime():
            return value.isoformat(" ", timespec="seconds")
    return str(value)


def _csv_text(text: str) -> str:
    """Return a text in which no separator starts a formula: an apostrophe goes before each character that would.

    A number after a separator stays as it is, for example in coordinates.
    """

    def neutralise(match: re.Match[str]) -> str:
        is_number = match[1] and _NUMBER.match(text, match.end())
        return match[0] if is_number else f"{match[0]}'"

    neutral = _FORMULA_START.sub(neutralise, text)
    return f"'{neutral}" if neutral.startswith("\t") else neutral


def _quoted(field: str) -> str:
    """Return a field with quotation marks if any program could split it without them."""
    return '"' + field.replace('"', '""') + '"' if _NEEDS_QUOTES.search(field) else field
