"""The methods of `Job` that save files. It imports what makes the files on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from analysis_jobs.authoring.context import AttemptContext


class JobFiles:
    """A part of `Job`: the files that callers can download."""

    _context: AttemptContext

    def save_file(self, name: str, content: bytes, content_type: str) -> None:
        """Save a file that callers can download. It replaces a file of the same name.

        Callers see it after the next checkpoint, at the latest when the stage ends.

        Args:
            name: Up to 128 letters, digits, dots, hyphens and underscores.
            content: Up to 50 MB. A job has at most 25 files.
            content_type: For example `text/plain`.

        Raises:
            Fail: `file_name_invalid`, `file_too_large`, `files_too_many`.
            ConfigurationError: The content type is invalid.
        """
        self._context.check()
        self._context.report.files.save(name, content, content_type)

    def save_json(self, name: str, value: Any) -> None:
        """Save a value (JSON, pydantic models, dataclasses, dates) as indented JSON. See `save_file`.

        Raises:
            Fail: `file_invalid` if the value is not JSON, and the codes of `save_file`.
        """
        from analysis_jobs.authoring.files import json_file  # noqa: PLC0415 - import only when used

        self.save_file(name, json_file(name, value), "application/json")

    def save_csv(self, name: str, rows: Sequence[BaseModel], *, columns: type[BaseModel] | None = None) -> None:
        """Save rows as comma-separated values that Excel can open. See `save_excel` and `save_file`."""
        from analysis_jobs.tables.spreadsheets import CSV_TYPE, csv_file  # noqa: PLC0415 - import only when used

        self.save_file(name, csv_file(rows, columns), CSV_TYPE)

    def save_excel(
        self,
        name: str,
        rows: Sequence[BaseModel],
        *,
        sheet: str = "Sheet1",
        title: str | None = None,
        columns: type[BaseModel] | None = None,
    ) -> None:
        """Save rows as an Excel workbook with one sheet and one column per field. See `save_file`.

        It needs the extra `excel`.

        Args:
            name: The name of the file, for example `schedule.xlsx`.
            rows: Up to 50,000 instances of one model. A field's `title` is the header of its column.
            sheet: The name of the sheet.
            title: A line above the header.
            columns: The model of the rows. It is needed if `rows` may be empty.

        Raises:
            Fail: `file_too_large` for too many rows, and the codes of `save_file`.
            ConfigurationError: The rows have different models, or the package does not contain the extra.
        """
        from analysis_jobs.tables.spreadsheets import EXCEL_TYPE, excel_file  # noqa: PLC0415 - import only when used

        self.save_file(name, excel_file(rows, columns, sheet=sheet, title=title), EXCEL_TYPE)

    def write_once(self, name: str, content: bytes, content_type: str) -> bool:
        """Save a file unless this method has saved one of this name for the job. Return whether it saved the file.

        The first write of any attempt stays. Use it for a side effect that must happen once. Callers can download the
        file. Its key is `files/<name>` in the job's folder of the bucket. Parameters and errors: see `save_file`.
        """
        self._context.check()
        return self._context.report.files.save_once(name, content, content_type)
