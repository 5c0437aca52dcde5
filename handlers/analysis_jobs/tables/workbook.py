"""Writes a table as an Excel workbook. It needs the extra `excel`: import it only when a workbook is written."""

import io
import re
import zipfile
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from analysis_jobs.base.extras import extra
from analysis_jobs.tables.model import Cell, Table

with extra("excel"):
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.properties import PageSetupProperties

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell as Written
    from openpyxl.cell.cell import MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_MAX_WIDTH, _MIN_WIDTH, _PADDING = 60, 8, 3  # in characters; the padding has room for the filter's arrow
# Fixed, so that equal rows give equal bytes.
_MADE_AT = datetime(2000, 1, 1)  # noqa: DTZ001 - workbook dates have no zone
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")

_LINE = Side(style="thin", color="D0D5DD")
_GRID = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_HEADER_FONT = Font(bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", start_color="1F3A5F")
_TITLE_FONT = Font(bold=True, size=14)
_WRAPPED = Alignment(vertical="top", wrap_text=True)
_PLAIN = Alignment(vertical="top")
_FORMATS: tuple[tuple[type, str], ...] = (
    (datetime, "yyyy-mm-dd hh:mm:ss"),
    (date, "yyyy-mm-dd"),
    (time, "hh:mm:ss"),
    (timedelta, "[h]:mm:ss"),
)


def workbook(table: Table, sheet: str, title: str | None) -> bytes:
    """Return the bytes of a workbook with one sheet. `title` stands above the header."""
    book = Workbook()
    page: Worksheet = book.worksheets[0]
    page.title = sheet
    book.properties.creator = "analysis-jobs"
    book.properties.title = title
    book.properties.created = _MADE_AT
    header = 1
    if title is not None:
        _put(page, 1, 1, title).font = _TITLE_FONT
        header = 3
    if table.titles:
        _fill(page, header, table)
        _set_up(page, header, table)
    _set_up_print(page)
    content = io.BytesIO()
    book.save(content)
    return _without_timestamps(content)


def _fill(page: "Worksheet", header: int, table: Table) -> None:
    for column, name in enumerate(table.titles, start=1):
        head = _put(page, header, column, name)
        head.font, head.fill, head.alignment, head.border = _HEADER_FONT, _HEADER_FILL, _WRAPPED, _GRID
    # To find a style, openpyxl compares all its parts. So the first cell of a kind is styled, and others share that.
    styles: dict[tuple[bool, bool, str | None], Any] = {}
    for number, row in enumerate(table.rows, start=header + 1):
        for column, value in enumerate(row, start=1):
            found: Any = _put(page, number, column, value)
            number_format = _number_format(value)
            kind = (isinstance(value, str), found.quotePrefix, number_format)
            if kind in styles:
                found._style = styles[kind]  # noqa: SLF001 - there is no public way to share a style without a name
                continue
            found.border = _GRID
            found.alignment = _WRAPPED if isinstance(value, str) else _PLAIN
            if number_format is not None:
                found.number_format = number_format
            styles[kind] = found._style  # noqa: SLF001 - as above


def _put(page: "Worksheet", row: int, column: int, value: Cell) -> "Written | MergedCell":
    found = page.cell(row, column)
    found.value = value
    if isinstance(value, str):
        # Store text that looks like a formula as text. With the quote prefix it stays text when a user edits the cell.
        found.data_type = "s"
        found.quotePrefix = value.startswith(("=", "+", "-", "@", "'"))
    return found


def _number_format(value: Cell) -> str | None:
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        places = min(10, -exponent) if isinstance(exponent, int) and exponent < 0 else 0
        return f"#,##0.{'0' * places}" if places else "#,##0"
    return next((number_format for kind, number_format in _FORMATS if isinstance(value, kind)), None)


def _set_up(page: "Worksheet", header: int, table: Table) -> None:
    last = get_column_letter(len(table.titles))
    page.freeze_panes = f"A{header + 1}"
    page.auto_filter.ref = f"A{header}:{last}{header + max(1, len(table.rows))}"
    page.print_title_rows = f"{header}:{header}"
    for index, name in enumerate(table.titles):
        widest = max([_width(name), *(_width(_shown(row[index])) for row in table.rows)])
        width = min(_MAX_WIDTH, max(_MIN_WIDTH, widest + _PADDING))
        page.column_dimensions[get_column_letter(index + 1)].width = width


def _set_up_print(page: "Worksheet") -> None:
    page.page_setup.orientation = "landscape"
    page.page_setup.paperSize = page.PAPERSIZE_A4
    page.page_setup.fitToWidth = 1
    page.page_setup.fitToHeight = 0  # any number of pages
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _shown(value: Cell) -> str:
    if isinstance(value, datetime):
        return "yyyy-mm-dd hh:mm:ss"
    return "" if value is None else str(value)


def _width(text: str) -> int:
    """Return the width of a text's widest line, in characters. East Asian wide characters count as two."""
    return max(
        len(line) if line.isascii() else sum(2 if east_asian_width(letter) in "FW" else 1 for letter in line)
        for line in (line[:_MAX_WIDTH] for line in text.split("\n"))
    )


def _without_timestamps(content: io.BytesIO) -> bytes:
    """Return the workbook with fixed dates in its zip entries and properties."""
    made = io.BytesIO()
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            body = before.read(entry)
            if entry.filename == "docProps/core.xml":
                body = _MODIFIED.sub(rb"\g<1>2000-01-01T00:00:00Z", body)
            plain = zipfile.ZipInfo(entry.filename, _ZIP_DATE)
            plain.compress_type = zipfile.ZIP_DEFLATED
            after.writestr(plain, body)
    return made.getvalue()
