"""The command line `analysis-jobs`: its commands, and how it starts."""

import json as json_
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module, metadata
from typing import Annotated, Any

import typer

from analysis_jobs.cli import bulk, environment, jobs, move_in, privacy, prompts
from analysis_jobs.cli.options import Json

_NAME = "analysis-jobs"
_EPILOG = (
    f"Environment variables: {environment.URL_VARIABLE} is the URL of the API. {environment.TOKEN_VARIABLE} is a "
    f"bearer token for it. {environment.CA_BUNDLE_VARIABLE} is a file of trusted CA certificates. "
    f"{environment.PROMPT_TABLE_VARIABLE} is the prompt table of the `prompts` commands. "
    f"{environment.STACK_VARIABLE} is a file that describes the stack, for `erase` and `export`. `prompts`, `erase`, "
    "`export` and `redrive --dead-letter-queue` also need AWS credentials, as boto3 reads them."
)

app = typer.Typer(
    name=_NAME,
    epilog=_EPILOG,
    pretty_exceptions_enable=False,  # a traceback of rich shows local variables, for example the token
)


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and the commit.")] = False,
    json: Json = False,
) -> None:
    """Call an analysis-jobs API, and develop analyses."""
    if version:
        typer.echo(_version_text(as_json=json))
        raise typer.Exit
    if context.invoked_subcommand is None:
        # With rich, this prints the help and returns an empty text.
        if text := context.get_help():
            typer.echo(text)
        raise typer.Exit(2)


app.command()(jobs.submit)
app.command()(jobs.status)
app.command()(jobs.download)
app.command("list")(jobs.list_)
app.command()(jobs.cancel)
app.command()(jobs.retry)
app.command()(bulk.redrive)
app.command()(move_in.move_in)
app.add_typer(prompts.app, name="prompts")
app.add_typer(privacy.erase, name="erase")
app.add_typer(privacy.export, name="export")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return 0 on success, 1 on failure, 2 for wrong arguments, 130 after Ctrl-C."""
    _add_developer_commands()
    try:
        app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name=_NAME)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


@cache
def _add_developer_commands() -> None:
    """Add `init`, `package` and `local`. A checkout with only the library on its path does not have them."""
    try:
        commands: Any = import_module("analysis_jobs_dev.commands")
    except ModuleNotFoundError as error:
        if error.name not in {"analysis_jobs_dev", "analysis_jobs_dev.commands"}:
            raise
        return
    commands.register(app)


def _version_text(*, as_json: bool) -> str:
    try:
        places: Any = import_module("analysis_jobs_dev.places")
        version, commit = places.version(), places.commit()
    except ModuleNotFoundError:
        version, commit = _installed_version(), None
    if as_json:
        return json_.dumps({"version": version, "commit": commit}, indent=2)
    return f"{_NAME} {version} ({_commit_text(commit)})"


def _commit_text(commit: str | None) -> str:
    """Return a commit as git shortens it."""
    if commit is None:
        return "commit unknown"
    digits, _, changed = commit.partition("-")
    return f"commit {digits[:12]}{', with changes' if changed else ''}"


def _installed_version() -> str:
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        return "of a checkout"
