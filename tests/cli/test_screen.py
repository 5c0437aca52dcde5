"""What people see: tables, bars and the readable form of jobs. A pipe gets whole lines without colours."""

import io
from typing import Any

import pytest

from analysis_jobs.cli import readable
from analysis_jobs.cli.screen import Bar, Screen, table
from analysis_jobs.client import JobInfo


class Terminal(io.TextIOWrapper):
    """A terminal that supports redrawing."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


def piped(value: Any) -> list[str]:
    """Return the lines of a value where standard output is no terminal."""
    out = io.StringIO()
    Screen(out=out).answer({}, [value])
    return out.getvalue().splitlines()


def test_a_terminal_is_shown_a_bar_with_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    bar = Bar(Screen(err=terminal))
    bar.update(
        JobInfo.from_json(
            {"job_id": "j1", "analysis": "letters", "status": "processing", "progress": 50, "stage": "brief [draft]"}
        )
    )
    bar.close()
    assert "━" in terminal.shown
    assert " 50 %" in terminal.shown
    assert "processing brief [draft]" in terminal.shown


def test_without_a_terminal_each_stage_is_one_line() -> None:
    err = io.StringIO()
    bar = Bar(Screen(err=err))
    for progress in (10, 20):
        bar.update(
            JobInfo.from_json(
                {"job_id": "j1", "analysis": "letters", "status": "processing", "progress": progress, "stage": "brief"}
            )
        )
    bar.update(JobInfo.from_json({"job_id": "j1", "analysis": "letters", "status": "completed", "progress": 90}))
    bar.close()
    assert err.getvalue() == "processing brief\ncompleted\n"


def test_a_terminal_that_cannot_show_a_letter_does_not_end_the_command() -> None:
    terminal = Terminal("ascii")
    Screen(out=terminal).answer({}, ["Zürich"])
    assert terminal.shown == "Z?rich\n"


def test_text_of_a_document_is_never_read_as_markup() -> None:
    assert piped(table(("name",), [("[red]a[/red] :warning:",)])) == ["name", "[red]a[/red] :warning:"]
    assert piped(readable.value({"title": "[/] [link=x]"})) == ["title  [/] [link=x]"]


def test_a_table_keeps_its_columns_and_shortens_what_is_too_long() -> None:
    lines = piped(table(("name", "id", "n"), [("x" * 100, "y" * 100, 1), ("a\nb", None, None)], whole=("id",)))
    assert lines[1].split() == ["x" * 71 + "…", "y" * 100, "1"]
    assert lines[2] == "a b"
    assert lines[1].index("y") == lines[0].index("id")


def test_a_narrow_terminal_shortens_cells_but_not_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    Screen(out=terminal).answer({}, [table(("id", "error"), [("y" * 26, "x" * 60)], whole=("id",))])
    [_, row] = terminal.shown.splitlines()
    assert "y" * 26 in row
    assert "…" in row


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            {"summary": "Short.", "page_count": 3, "signed": True, "empty": []},
            ["summary     Short.", "page count  3", "signed      yes"],
        ),
        (["a", "b"], ["- a", "- b"]),
        ([{"name": "A", "size": 1}, {"name": "B", "unit": "m"}], ["name  size  unit", "A     1", "B           m"]),
        ({"parts": [{"text": "x" * 70}]}, ["parts", f"  - text  {'x' * 70}"]),
        ({"a": {"b": {"c": 1}}, "d": 2}, ["a", "  b", "    c  1", "d  2"]),
        ({}, ["nothing"]),
        ("One\nTwo", ["One", "Two"]),
    ],
)
def test_a_result_is_readable(value: Any, lines: list[str]) -> None:
    assert piped(readable.value(value)) == lines


def test_a_job_shows_its_stage_its_times_and_its_cost() -> None:
    job = {
        "job_id": "01",
        "analysis": "letters",
        "status": "processing",
        "stage": "read",
        "progress": 40,
        "attempt": 2,
        "created_at": "2026-05-04T12:00:01.500Z",
        "started_at": "2026-05-04T12:00:03Z",
        "wait_seconds": 1.5,
        "usage": {"calls": 1, "input_tokens": 12345, "output_tokens": 0},
        "cost_usd": 0.0123,
        "prompts": {"writer/step-1": 3},
        "subject": "books/42",
        "new_field": {"of": "a later version"},
        "result": None,
    }
    out = io.StringIO()
    Screen(out=out).answer({}, readable.job(job))
    assert out.getvalue().splitlines() == [
        "job        01",
        "analysis   letters",
        "status     processing  40 %  stage read",
        "submitted  2026-05-04 12:00:01 UTC",
        "started    2026-05-04 12:00:03 UTC  (waited 1.5 s)",
        "attempts   2",
        "models     1 call, 12,345 input tokens, 0.0123 USD",
        "prompts    writer/step-1 3",
        "subject    books/42",
        "new field  of  a later version",
    ]
