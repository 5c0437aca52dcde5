"""Reads Excel workbooks (XLSX)."""

import io
from datetime import date, datetime, time, timedelta
from typing import Any

from document_reader.archives import require_safe_archive
from document_reader.task import Budget, Emit, Task, UnreadableError, extra, require_pages

# The limit for all sheets together, equal to Excel's limit for one sheet. Empty rows between row numbers count too.
MAX_ROWS = 1_048_576
_ROWS_PER_PROGRESS = 10_000


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit each sheet as a page: its name, then one line per non-empty row, with tabs between the cells.

    A formula is shown as its saved value, or as the formula if no value was saved.
    """
    with extra("excel"):
        import openpyxl  # noqa: PLC0415 - needed only for XLSX
    require_safe_archive(content)
    values = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    require_pages(len(values.worksheets), task.limits)
    budget = Budget(task.limits)
    read = 0
    for number, (sheet, unsaved) in enumerate(zip(values.worksheets, formulas.worksheets, strict=True), 1):
        # Ignore the declared dimensions: a file may claim a million columns.
        sheet.reset_dimensions()
        unsaved.reset_dimensions()
        lines = [sheet.title]
        rows = zip(sheet.iter_rows(values_only=True), unsaved.iter_rows(values_only=True), strict=True)
        for row, formula in rows:
            read += 1
            if read > MAX_ROWS:
                raise UnreadableError("document_too_complex", f"has more than {MAX_ROWS} rows")
            if read % _ROWS_PER_PROGRESS == 0:
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
        return f"{value:.15g}"  # 15 digits, as Excel shows it: 0.1 + 0.2 is 0.3
    return " ".join(str(value).split())
