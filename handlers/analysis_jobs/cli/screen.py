"""Output for people on a terminal, and for programs as JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from analysis_jobs.client import JobInfo

if TYPE_CHECKING:
    from rich.status import Status

INTERRUPTED = 130  # the exit status after Ctrl-C, as shells report it
_MAX_CELL_CHARACTERS = 72
# Without a terminal nobody sees the end of a line, but a program may search it: lines are not wrapped.
_UNWRAPPED = 10_000
STYLES = {
    "queued": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
    "refused": "red",
}


class Screen:
    """Answers go to standard output: for people, or as one JSON document. Progress and errors go to standard error."""

    def __init__(self, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:  # noqa: FBT001 - an option
        self.as_json = as_json
        self.out = _console(out or sys.stdout)
        self.err = _console(err or sys.stderr)
        self._live: Status | None = None

    def answer(self, value: Any, shown: Iterable[RenderableType]) -> None:
        """Print the JSON of `value`, or what people are shown."""
        if self.as_json:
            self.out.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        else:
            for each in shown:
                self._print(self.out, each)
        self.out.file.flush()

    def note(self, text: str) -> None:
        """Print a line of progress, or an error."""
        self._print(self.err, Text(text))

    def live(self, text: str) -> None:
        """Show a line that the next one replaces. Empty: remove it. Without a terminal, show nothing."""
        if not self.err.is_terminal:
            return
        if self._live is None and text:
            self._live = self.err.status(Text(text))
            self._live.start()
        elif self._live and text:
            self._live.update(Text(text))
        elif self._live:
            self._live.stop()
            self._live = None

    def _print(self, console: Console, what: RenderableType) -> None:
        if console.is_terminal:
            console.print(what)
            return
        with console.capture() as captured:
            console.print(what)
        # Cells of tables are filled up with spaces.
        lines = "\n".join(line.rstrip() for line in captured.get().split("\n"))
        console.file.write(lines)


class Bar:
    """Shows the progress of one job: a bar on a terminal, otherwise one line per stage."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown = ""
        self._bar: Progress | None = None
        if screen.err.is_terminal:
            columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn())
            self._bar = Progress(*columns, TextColumn("{task.description}", markup=False), console=screen.err)
            self._task = self._bar.add_task("", total=100)
            self._bar.start()

    def update(self, job: JobInfo) -> None:
        """Show the job's progress."""
        percent = 100 if job.status == "completed" else job.progress
        doing = " ".join(filter(None, (job.status, job.stage)))
        if self._bar:
            self._bar.update(self._task, completed=percent, description=doing)
        elif doing != self._shown:
            self._screen.note(doing)
        self._shown = doing

    def close(self) -> None:
        """End the bar."""
        if self._bar:
            self._bar.stop()


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Sequence[str] = ()) -> Table:
    """Return a table with one line per row. Long cells are shortened, but not those of the columns `whole`."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(Text(heading), no_wrap=heading in whole)
    for row in rows:
        made.add_row(*(_cell(value, whole=name in whole) for name, value in zip(headings, row, strict=True)))
    return made


def status_text(status: str) -> Text:
    """Return the status of a job in its colour."""
    return Text(status, STYLES.get(status, ""))


def _cell(value: object, *, whole: bool) -> Text:
    text = " ".join(str("" if value is None else value).split())
    if not whole and len(text) > _MAX_CELL_CHARACTERS:
        text = f"{text[: _MAX_CELL_CHARACTERS - 1]}…"
    # A terminal that is too narrow gets shorter cells, not more lines.
    return Text(text, STYLES.get(text, ""), no_wrap=True, overflow="fold" if whole else "ellipsis")


def _console(stream: TextIO) -> Console:
    # Show a question mark for a character that the terminal's encoding lacks, instead of an error.
    with suppress(AttributeError, OSError):
        stream.reconfigure(errors="replace")  # type: ignore[attr-defined]
    # Answers contain text of documents: never read it as rich's markup.
    width = None if stream.isatty() else _UNWRAPPED
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)
