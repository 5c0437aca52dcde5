"""Excel workbooks (XLSX)."""

import io
from datetime import date, datetime, time, timedelta
from typing import Any

from document_reader.archives import require_harmless
from document_reader.task import Budget, Emit, Task, UnreadableError, extra, require_pages

# Of all sheets; one has this many at most. Rows that only a number claims are counted too.
MOST_ROWS = 1_048_576
_ROWS_A_SIGN = 10_000


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Give each sheet as a page: its name, then a line a row that has anything in it, cells divided by tabs.

    Formulas are given as the value that was saved with them, and as themselves where none was.
    """
    with extra("excel"):
        import openpyxl  # noqa: PLC0415 - only for an XLSX
    require_harmless(content)
    values = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    require_pages(len(values.worksheets), task.limits)
    budget = Budget(task.limits)
    read = 0
    for number, (sheet, unsaved) in enumerate(zip(values.worksheets, formulas.worksheets, strict=True), 1):
        # A file may say that it has a million columns; what is there counts.
        sheet.reset_dimensions()
        unsaved.reset_dimensions()
        lines = [sheet.title]
        rows = zip(sheet.iter_rows(values_only=True), unsaved.iter_rows(values_only=True), strict=True)
        for row, formula in rows:
            read += 1
            if read > MOST_ROWS:
                raise UnreadableError("document_too_complex", f"has more than {MOST_ROWS} rows")
            if read % _ROWS_A_SIGN == 0:
                emit(working=number)
            line = "\t".join(_cell(f if v is None else v) for v, f in zip(row, formula, strict=True)).rstrip("\t")
            if line:
                budget.spend(len(line) + 1)
                lines.append(line)
        emit(page=number, text="\n".join(lines), source="text")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time | timedelta):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}"  # as Excel shows it: 0.1 + 0.2 is 0.3
    return " ".join(str(value).split())
