"""The commands that put a version in service, and take it out again. `commands` registers them."""

import getpass
import json as json_
import os
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from analysis_jobs_dev.commands_deploy import Build, Environment

if TYPE_CHECKING:
    from analysis_jobs_dev.release.report import Report

_INTERRUPTED = 130  # as a shell reports Ctrl-C


def deploy(
    environment: Environment,
    *,
    build: Build = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Apply this plan, which `analysis-jobs plan --out` wrote.")
    ] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="Leave out the steps of the configuration.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compare every resource with AWS, also if only code has changed.")
    ] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report to FILE, as JSON.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON at the end.")] = False,
) -> None:
    """Deploy an environment: apply, try the new version with canaries, and put it in service.

    If anything fails, the version in service stays or comes back, and the exit status is 1.
    """
    from analysis_jobs_dev.environments import deploy as deploying  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.release import command  # noqa: PLC0415 - as above
    from analysis_jobs_dev.release.errors import ReleaseError  # noqa: PLC0415 - as above
    from analysis_jobs_dev.release.terraform import RootOfRelease  # noqa: PLC0415 - as above

    try:
        with _stoppable(), deploying.prepared(environment, build=build, quiet=json) as root:
            terraform = RootOfRelease(root, plan, refresh=refresh, say=_say(json))
            release = command.release(terraform, who(), at_once=at_once, say=_say(json))
            try:
                release.run()
            finally:
                _show(release.report, report, json=json)
            if release.report.is_good:
                _say(json)(root.api_url or "")
    except (*deploying.ERRORS, ReleaseError) as error:
        _fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    if not release.report.is_good:
        raise typer.Exit(1)


def rollback(
    environment: Environment,
    *,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report to FILE, as JSON.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON at the end.")] = False,
) -> None:
    """Put the previous version of an environment in service again, in seconds. Terraform does not run."""
    from analysis_jobs_dev.environments import deploy as deploying  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.release import command  # noqa: PLC0415 - as above
    from analysis_jobs_dev.release.errors import ReleaseError  # noqa: PLC0415 - as above

    try:
        with command.reached(environment) as (stack, clients):
            _show(command.rollback(stack, clients, who(), say=_say(json)).run(), report, json=json)
    except (*deploying.ERRORS, ReleaseError) as error:
        _fail(error)


COMMANDS: dict[str, Callable[..., Any]] = {"deploy": deploy, "rollback": rollback}


def who() -> str:
    """Return who makes a release, for others who want to make one at the same time: a person, or a run of GitHub."""
    if run := os.environ.get("GITHUB_RUN_ID"):
        server, repository = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
        return f"{server}/{repository}/actions/runs/{run}"
    return f"{getpass.getuser()} on {platform.node()}"


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let a runner's SIGTERM end the release as Ctrl-C does: it then goes back."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - Python's signature
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(json: bool) -> Callable[[str], None]:  # noqa: FBT001 - the option of the command
    return lambda line: typer.echo(line, err=json)


def _show(report: "Report", file: Path | None, *, json: bool) -> None:
    text = json_.dumps(report.as_json(), indent=2)
    if file:
        file.write_text(text + "\n", "utf-8")
    for line in report.conclusion():
        _say(json)(line)
    if json:
        typer.echo(text)


def _fail(error: Exception) -> NoReturn:
    typer.echo(error, err=True)
    for line in getattr(error, "details", ()):
        typer.echo(f"  {line}", err=True)
    raise typer.Exit(1)
