"""The command `move-in`: runs a project's move file, which moves the open work of an older system into a deployment."""

from __future__ import annotations

import hashlib
import json as json_
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from analysis_jobs.base.clock import SystemClock, rfc3339
from analysis_jobs.cli.screen import table
from analysis_jobs.cli.session import Session, calls_api

if TYPE_CHECKING:
    from rich.console import RenderableType

    from analysis_jobs.cli.screen import Screen
    from analysis_jobs.client import Client

_FUNCTION = "move_in"
_SIGNATURE = f"def {_FUNCTION}(jobs: Jobs, *, apply: bool) -> Report"
# The parts of a report, with what they mean to the reader.
_PARTS = {
    "planned": "would be moved",
    "moved": "moved",
    "waiting": "still running in the older system: run again later",
    "left": "not moved now",
    "unfinished": "no answer: run again within 23 hours",
    "conflicts": "ended in the older system during the move: cancel one of both",
    "problems": "need a person",
}
_SHOWN = ("waiting", "left", "unfinished", "conflicts", "problems")


class _Counted:
    """The client that the move file gets. It shows how many jobs were submitted."""

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._screen = screen
        self._submitted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def submit(self, *given: Any, **options: Any) -> Any:
        """See `Jobs.submit`."""
        submitted = self._client.submit(*given, **options)
        self._submitted += 1
        self._screen.live(f"{self._submitted} jobs submitted")
        return submitted


@calls_api
def move_in(
    now: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.py", help=f"Your move file. It has `{_SIGNATURE}`.", show_default=False)
    ],
    apply: Annotated[
        bool, typer.Option("--apply", help="Submit and mark. Without it, this is a dry run that only reports.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write what was done to this file, as JSON.")
    ] = None,
) -> None:
    """Move open work of an older system into this deployment, each item once.

    Run it again until nothing is left: a run that was stopped is continued. The exit status is 0 if nothing is left to
    do, and after a dry run without problems.
    """
    move = _loaded(file)
    clock = SystemClock()
    begun = clock.now()
    report = move(_Counted(now.client, now.screen), apply=apply).to_json()
    now.screen.live("")
    answer = {
        "document": "analysis-jobs move-in receipt",
        "version": 1,
        "applied": apply,
        "file": file.name,
        "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "url": now.client.url,
        "started_at": rfc3339(begun),
        "finished_at": rfc3339(clock.now()),
        **report,
    }
    if receipt:
        text = json_.dumps(answer, indent=2, ensure_ascii=False, default=str)
        receipt.write_text(f"{text}\n", encoding="utf-8")
    now.screen.answer(answer, _shown(report, apply=apply))
    if not report["complete"] if apply else report["problems"]:
        raise typer.Exit(1)


def _loaded(file: Path) -> Any:
    """Return the function of a move file. Raises `typer.BadParameter`. Errors of the file itself are not caught."""
    if not file.is_file():
        raise typer.BadParameter(f"{file} does not exist")
    found = runpy.run_path(str(file), run_name="move_file").get(_FUNCTION)
    if not callable(found):
        raise typer.BadParameter(f"{file} has no function {_FUNCTION}: write `{_SIGNATURE}`")
    return found


def _shown(report: Mapping[str, Any], *, apply: bool) -> Iterator[RenderableType]:
    rows = [(meaning, len(report[part])) for part, meaning in _PARTS.items() if report[part]]
    yield table(("items", "number"), rows)
    for part in _SHOWN:
        yield from (Text(f"{part}: {old_id}: {why}") for old_id, why in report[part].items())
    yield from (Text(note) for note in report["notes"])
    if not apply:
        yield Text("Nothing was changed. Give --apply to move the work.")
    elif report["complete"]:
        yield Text("Complete: the older system has no open work.")
    else:
        yield Text("Not complete: run this command again.")
