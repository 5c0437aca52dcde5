"""The terminal output of the local cloud: steps with their times, a progress bar, tables."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

# The fewest characters in which a column of a table is readable.
LEAST_COLUMN = 11
TITLE_INDENT = 8
TITLE_WIDTH = 12
# Without a terminal (a pipe, a CI log) a line is printed this often while a step runs.
LINE_EVERY_S = 10.0


class Step:
    """A running step; its line shows `detail`."""

    def __init__(self, console: Console, title: str) -> None:
        self.detail = ""
        self._console = console
        self.title = title
        self._status = console.status("")
        self._next_line = time.monotonic() + LINE_EVERY_S

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show the live line on a terminal."""
        self.say("")
        if not self._console.is_terminal:
            yield
            return
        with self._status:
            yield

    def say(self, detail: str) -> None:
        """Show the progress."""
        self.detail = detail
        self._status.update(f"[bold]{escape(self.title):<{TITLE_WIDTH}}[/bold] {escape(detail)}")
        if not self._console.is_terminal and time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            self._console.print(f"{'':>6}  {escape(self.title):<{TITLE_WIDTH}} {escape(detail)}", soft_wrap=True)


class Screen:
    """Prints to `console`, and measures each step; `Screen.silent()` prints nothing."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.times: dict[str, float] = {}

    @classmethod
    def silent(cls) -> Self:
        """Return a screen for tests."""
        return cls(Console(quiet=True))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while it runs, then its outcome and time in one line."""
        step = Step(self.console, title)
        with self._timed(step), step.showing():
            yield step

    @contextmanager
    def bar(self, title: str) -> Iterator[Callable[[float, str], None]]:
        """Show a step as a progress bar; the given function takes the percentage and a detail."""
        step = Step(self.console, title)
        columns = (
            TextColumn(f"{'':{TITLE_INDENT}}[bold]{{task.description}}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        progress = Progress(*columns, console=self.console, transient=True)
        task = progress.add_task(f"{title:<{TITLE_WIDTH}}", total=100, detail="")

        def update(percent: float, detail: str) -> None:
            progress.update(task, completed=percent, detail=escape(detail))
            step.detail = f"{percent:.0f} %  {detail}"

        with self._timed(step), progress:
            yield update

    def say(self, text: str = "") -> None:
        """Print a line unchanged, so that it can be copied, or waited for by a program."""
        self.console.print(text, markup=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]", soft_wrap=True)

    def commands(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print commands, each with its purpose."""
        width = max(len(command) for command, _ in rows)
        for command, purpose in rows:
            self.say(f"{command:<{width}}  {purpose}")

    def table(self, rows: Iterable[tuple[str, str]], title: str = "") -> None:
        """Print names and values."""
        self._title(title)
        table = Table(show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(escape(name), escape(value))
        self.console.print(table)

    def grid(self, rows: Sequence[Mapping[str, str]], title: str = "") -> None:
        """Print rows as a table with a header."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        fit = max(1, self.console.width // LEAST_COLUMN)
        names, left = names[:fit], len(names) - fit
        more = f" (without {left} more columns)" if left > 0 else ""
        self._title(f"{title}{more}" if names else f"{title}: nothing")
        table = Table(header_style="bold")
        for name in names:
            table.add_column(escape(name), overflow="fold")
        for row in rows:
            table.add_row(*(escape(row.get(name, "")) for name in names))
        if names:
            self.console.print(table)

    def _title(self, text: str) -> None:
        """Print the title of a table; rich's own title would be wrapped at the table's width."""
        if text:
            self.console.print(f"\n[italic]{escape(text)}[/italic]", soft_wrap=True)

    @contextmanager
    def _timed(self, step: Step) -> Iterator[None]:
        started, word, style = time.monotonic(), "failed", "red"
        try:
            yield
            word, style = "ok", "green"
        finally:
            self.times[step.title] = time.monotonic() - started
            self.console.print(
                f"[{style}]{word:>6}[/{style}]  [bold]{escape(step.title):<{TITLE_WIDTH}}[/bold]"
                f" {self.times[step.title]:6.1f} s  {escape(step.detail)}",
                soft_wrap=True,
            )
