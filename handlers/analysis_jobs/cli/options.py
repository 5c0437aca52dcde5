"""The options that several commands have, and how their values are read."""

import functools
import inspect
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from analysis_jobs.cli import environment


def opening(
    open_: Callable[..., AbstractContextManager[Any]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for commands that need what `open_` opens.

    The command gets it as its first argument. The parameters of `open_` become options of the command.
    """
    shared = inspect.signature(open_, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            with open_(**{name: given.pop(name) for name in shared}) as opened:
                command(opened, **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
        # typer reads both.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object. Raises `typer.BadParameter`."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter('give a JSON object, for example {"title": "Faust"}')
    return value


def moment(text: str) -> datetime:
    """Read a time. Without a zone it is UTC. Raises `typer.BadParameter`."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"give a time such as 2026-11-22T01:02:03Z: {error}") from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def positive(number: int | None) -> int | None:
    """Return the number. Raises `typer.BadParameter` if it is not at least 1."""
    if number is not None and number < 1:
        raise typer.BadParameter("give a whole number of at least 1")
    return number


def rate(number: float) -> float:
    """Return the number. Raises `typer.BadParameter` if it is not finite and greater than 0."""
    if not (math.isfinite(number) and number > 0):
        raise typer.BadParameter("give a number greater than 0")
    return number


Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")]
Url: TypeAlias = Annotated[
    str | None, typer.Option(metavar="URL", help=f"URL of the API. Default: {environment.URL_VARIABLE}.")
]
CaBundle: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"PEM file of trusted CA certificates. Default: {environment.CA_BUNDLE_VARIABLE}, else the system's.",
    ),
]
JobId: TypeAlias = Annotated[str, typer.Argument(metavar="JOB", help="ID of the job.", show_default=False)]
JobIds: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="IDs of one or more jobs.", show_default=False)
]
Wait: TypeAlias = Annotated[
    bool, typer.Option("--wait", help="Wait until the job has ended. The exit status is 1 unless it completed.")
]
TimeoutS: TypeAlias = Annotated[float, typer.Option(metavar="S", help="With --wait: give up after so many seconds.")]
Since: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        metavar="TIME",
        parser=moment,
        help="Only jobs submitted at or after this time, in RFC 3339 (UTC unless it names a zone).",
    ),
]
Until: TypeAlias = Annotated[
    datetime | None,
    typer.Option("--to", metavar="TIME", parser=moment, help="Only jobs submitted before this time, likewise."),
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
