"""The commands of `analysis-jobs` for developers. The command line registers them (`analysis_jobs.cli.main`).

They need Python 3.13, which the functions run on, and the extra `dev`. Where one is missing, the commands say so. What
a command uses is imported when it runs, so that the other commands start fast.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

# The version of Python that Lambda runs the functions with. Their bytecode and their compiled wheels need it.
RUNTIME = (3, 13)
# A module of each distribution of the extra `dev` that the library itself does not need.
_NEEDED = ("boto3", "cryptography", "platformdirs", "psycopg", "pytest", "requests", "trustme", "uv")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    problem = unavailable()
    for name, command in COMMANDS.items():
        if problem:
            anything = {"allow_extra_args": True, "ignore_unknown_options": True}
            app.command(name, help=command.__doc__, context_settings=anything)(_refusal(problem))
        else:
            app.command(name)(command)


def unavailable(version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Return why the commands cannot run here, and the fix. Empty if they can."""
    wanted = ".".join(map(str, RUNTIME))
    if version != RUNTIME:
        found = ".".join(map(str, version))
        return (
            f"This command needs Python {wanted}, which the functions run on. This is {found}: "
            f"uv tool install --python {wanted} 'analysis-jobs[dev]'"
        )
    if missing := [module for module in _NEEDED if find_spec(module) is None]:
        return f"This command needs {', '.join(missing)}: pip install 'analysis-jobs[dev]'"
    return ""


def package(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="Folder of the project. Default: the current one.")
    ] = Path(),
    architecture: Annotated[list[str] | None, typer.Option(help="arm64 or x86_64. Repeatable. Default: both.")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write to.")] = Path("dist"),
) -> None:
    """Build the deployment package of a project."""
    from analysis_jobs_dev import package as packages  # noqa: PLC0415 - see the module

    arguments = ["--example", project.resolve().name, "--analyses", str(project), "--out", str(out)]
    code = packages.main([*arguments, *(f"--architecture={each}" for each in architecture or ())])
    if code:
        raise typer.Exit(code)


COMMANDS: dict[str, Callable[..., Any]] = {"package": package}


def _refusal(problem: str) -> Callable[[], None]:
    def refuse() -> None:
        typer.echo(problem, err=True)
        raise typer.Exit(2)

    return refuse
