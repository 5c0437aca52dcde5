"""The output of the command line: answers on standard output, progress and errors on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

from analysis_jobs.client.http import Job

INTERRUPTED = 130  # the exit status that shells use after Ctrl-C
_BAR_WIDTH = 24
_MAX_CELL_CHARACTERS = 72


@dataclass
class Screen:
    """Prints for a person, or with `as_json` one JSON document for a program."""

    as_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def answer(self, value: Any, lines: Iterable[str]) -> None:
        """Print the answer of a command: `value` as JSON, or `lines`."""
        text = json.dumps(value, indent=2, ensure_ascii=False) if self.as_json else "\n".join(lines)
        self._write(self.out, f"{text}\n")

    def note(self, text: str) -> None:
        """Print a line of progress, or an error."""
        self._write(self.err, f"{text}\n")

    def live(self, text: str) -> None:
        """Show a line that the next one overwrites. Without a terminal, show nothing."""
        if self.err.isatty():
            self._write(self.err, f"\r\x1b[K{text}")

    def _write(self, stream: TextIO, text: str) -> None:
        # Show a question mark for a character that the terminal's encoding lacks, instead of an error.
        with suppress(AttributeError):
            text = text.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8")
        stream.write(text)
        stream.flush()


class Bar:
    """Shows the progress of one job: a bar on a terminal, otherwise one line per stage."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown = ""

    def update(self, job: Job) -> None:
        """Show the job's progress."""
        percent = 100 if job["status"] == "completed" else int(job.get("progress") or 0)
        doing = " ".join(filter(None, (job["status"], job.get("stage"))))
        if self._screen.err.isatty():
            filled = round(_BAR_WIDTH * percent / 100)
            self._screen.live(f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {percent:3d} %  {doing}")
        elif doing != self._shown:
            self._screen.note(doing)
        self._shown = doing

    def close(self) -> None:
        """End the line of the bar."""
        if self._screen.err.isatty() and self._shown:
            self._screen.note("")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table. Long cells are truncated."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    lines = [list(headings), ["-" * width for width in widths], *cells]
    return ["  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cell(value: object) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[: _MAX_CELL_CHARACTERS - 1]}…"
