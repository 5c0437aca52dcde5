"""Writes a table as an Excel workbook. It needs the extra `excel`: import it only when a workbook is written."""

import io
import re
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.extras import extra
from analysis_jobs.tables.model import Cell, Table
from analysis_jobs.tables.sheet_rows import MAX_WIDTH, Look, look_of, row_xml, width

with extra("excel"):
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.properties import PageSetupProperties

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell as Written
    from openpyxl.cell.cell import MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

_MIN_WIDTH, _PADDING = 8, 3  # in characters; the padding has room for the filter's arrow
# Fixed, so that equal rows give equal bytes.
_MADE_AT = datetime(2000, 1, 1)  # noqa: DTZ001 - workbook dates have no zone
_SHEET = "xl/worksheets/sheet1.xml"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")

_LINE = Side(style="thin", color="D0D5DD")
_GRID = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_HEADER_FONT = Font(bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", start_color="1F3A5F")
_TITLE_FONT = Font(bold=True, size=14)
_WRAPPED = Alignment(vertical="top", wrap_text=True)
_PLAIN = Alignment(vertical="top")


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
        _write(page.cell(1, 1), title, font=_TITLE_FONT)
        header = 3
    rows: list[bytes] = []
    if table.titles:
        _write_header(page, header, table)
        _set_up(page, header, table)
        rows = _rows(page, header + 1, table)
    _set_up_print(page)
    content = io.BytesIO()
    book.save(content)
    return _finished(content, rows, header + len(rows))


def _write_header(page: "Worksheet", header: int, table: Table) -> None:
    for column, name in enumerate(table.titles, start=1):
        head = page.cell(header, column)
        _write(head, name, font=_HEADER_FONT, fill=_HEADER_FILL, alignment=_WRAPPED, border=_GRID)


def _rows(page: "Worksheet", first: int, table: Table) -> list[bytes]:
    """Return the XML of the rows. In the sheet an empty row stands in their place: see `_finished`."""
    styles: dict[Look, int] = {}

    def style(value: Cell) -> int:
        look = look_of(value)
        if look not in styles:
            # A cell of no sheet. Its value matters, because openpyxl first gives a date the format that it prefers.
            parts = {"number_format": look.number_format} if look.number_format else {}
            alignment = _WRAPPED if look.is_text else _PLAIN
            styles[look] = _write(WriteOnlyCell(page), value, border=_GRID, alignment=alignment, **parts)
        return styles[look]

    if table.rows:
        page.cell(first - 1 + len(table.rows), len(table.titles))  # it also counts for the dimension of the sheet
    letters = [get_column_letter(column) for column in range(1, len(table.titles) + 1)]
    return [row_xml(number, letters, row, style) for number, row in enumerate(table.rows, start=first)]


def _write(found: "Written | MergedCell", value: Cell, **style: Any) -> int:
    """Give a cell a value and a style. Return the number of the style: openpyxl counts them from here."""
    found.value = value
    if isinstance(value, str):
        # Store text that looks like a formula as text. With the quote prefix it stays text when a user edits the cell.
        found.data_type = "s"
        found.quotePrefix = look_of(value).is_quoted
    for name, part in style.items():
        setattr(found, name, part)
    return int(found.style_id)


def _set_up(page: "Worksheet", header: int, table: Table) -> None:
    last = get_column_letter(len(table.titles))
    page.freeze_panes = f"A{header + 1}"
    page.auto_filter.ref = f"A{header}:{last}{header + max(1, len(table.rows))}"
    page.print_title_rows = f"{header}:{header}"
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.titles)
    for number, (name, cells) in enumerate(zip(table.titles, columns, strict=True), start=1):
        widest = max(map(width, (name, *cells)))
        page.column_dimensions[get_column_letter(number)].width = min(MAX_WIDTH, max(_MIN_WIDTH, widest + _PADDING))


def _set_up_print(page: "Worksheet") -> None:
    page.page_setup.orientation = "landscape"
    page.page_setup.paperSize = page.PAPERSIZE_A4
    page.page_setup.fitToWidth = 1
    page.page_setup.fitToHeight = 0  # any number of pages
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _finished(content: io.BytesIO, rows: list[bytes], last: int) -> bytes:
    """Return the workbook with the rows in its sheet, and with fixed dates in its zip entries and properties.

    `last` is the number of the last row. It is empty in the sheet.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(made, "w") as after:
        for entry in before.infolist():
            parts = [before.read(entry)]
            if entry.filename == "docProps/core.xml":
                parts = [_MODIFIED.sub(rb"\g<1>2000-01-01T00:00:00Z", parts[0])]
            elif entry.filename == _SHEET and rows:
                top, bottom = re.split(rb'<row r="%d"(?:\s*/>|></row>)' % last, parts[0])
                parts = [top, *rows, bottom]
            plain = zipfile.ZipInfo(entry.filename, _ZIP_DATE)
            plain.compress_type = zipfile.ZIP_DEFLATED
            with after.open(plain, "w") as file:
                file.writelines(parts)
    return made.getvalue()
