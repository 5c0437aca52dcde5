"""Previews of the files of a job."""

from pathlib import Path


def excel_rows(path: Path, most: int) -> tuple[str, list[dict[str, str]], int]:
    """Return the name of the first sheet, its first rows by column name, and the number of the other rows.

    The header is the first row with a value in each column; the rows above it are a title.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - half a second that only this example needs

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        found = list(sheet.iter_rows(values_only=True)) or [()]
        first = next((number for number, row in enumerate(found) if None not in row), 0)
        names, rest = [str(name) for name in found[first]], found[first + 1 :]
        shown = [
            dict(zip(names, ("" if value is None else str(value) for value in row), strict=False))
            for row in rest[:most]
        ]
        return sheet.title, shown, max(0, len(rest) - most)
    finally:
        book.close()
