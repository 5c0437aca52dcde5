"""The commands of `analysis-jobs` for developers. The command line registers them (`analysis_jobs.cli.main`).

They need Python 3.13, which the functions run on, and the extra `dev`. Where one is missing, the commands say so. What
a command uses is imported when it runs, so that the other commands start fast.
"""

import json as json_
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeAlias

import typer

from analysis_jobs_dev import commands_bootstrap, commands_deploy, commands_doctor, commands_release

# The version of Python that Lambda runs the functions with. Their bytecode and their compiled wheels need it.
RUNTIME = (3, 13)
# A module of each distribution of the extra `dev` that the library itself does not need.
_NEEDED = (
    "boto3",
    "cryptography",
    "detect_secrets",
    "hcl2",
    "jsonschema",
    "packaging",
    "platformdirs",
    "psycopg",
    "pytest",
    "requests",
    "trustme",
    "uv",
)


class Architecture(StrEnum):
    """The architectures that a package can be built for. `host` is that of this machine."""

    ARM64 = "arm64"
    X86_64 = "x86_64"
    HOST = "host"


Project: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PROJECT", help="Folder of the project.", show_default="here")
]


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


def init(
    name: Annotated[str, typer.Argument(help="Name of the project, such as letter-summary.")],
    example: Annotated[str | None, typer.Option("--from", metavar="EXAMPLE", help="Start from an example.")] = None,
    module: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Source of the Terraform module, such as a git:: URL.")
    ] = None,
) -> None:
    """Create a project that runs, in a new folder NAME."""
    from analysis_jobs_dev.cloud import demo_file  # noqa: PLC0415 - see the module
    from analysis_jobs_dev.init import InitError, create  # noqa: PLC0415 - as above

    try:
        folder = create(name, example=example, module=module)
    except InitError as error:
        _fail(error)
    document = demo_file.documents_of(folder, demo_file.load(folder))[0].relative_to(folder)
    typer.echo(f"Created {folder}. Next:\n\n  cd {folder}\n  pytest\n  analysis-jobs local --demo {document}")


def local(
    project: Project = Path(),
    *,
    demo: Annotated[
        Path | None, typer.Option(metavar="DOCUMENT", help="Run one job with a document, show its result, and stop.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="URL", help="OpenAI-compatible server that answers, such as Ollama.")
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model of that server. Default: the first that it lists.")
    ] = None,
    token: Annotated[str | None, typer.Option(metavar="TENANT", help="Print a token of the running cloud.")] = None,
    logs: Annotated[bool, typer.Option("--logs", help="Print the logs of the running cloud's functions.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="With --logs: go on until Ctrl-C.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the running cloud.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Stop the running cloud and delete its state.")] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the state is kept. Default: .local/cloud.")
    ] = None,
) -> None:
    """Run a local cloud around a project, until Ctrl-C. Changed files are live within seconds."""
    from analysis_jobs.client import ClientError  # noqa: PLC0415 - see the module
    from analysis_jobs_dev.cloud.errors import CloudError  # noqa: PLC0415 - as above
    from analysis_jobs_dev.cloud.screen import Screen  # noqa: PLC0415 - as above
    from analysis_jobs_dev.cloud.signals import stop_on_signals  # noqa: PLC0415 - as above
    from analysis_jobs_dev.cloud.stand_in.upstream import Upstream  # noqa: PLC0415 - as above
    from analysis_jobs_dev.local import Local  # noqa: PLC0415 - as above
    from analysis_jobs_dev.project import ProjectError  # noqa: PLC0415 - as above

    stop_on_signals()
    try:
        cloud = Local.of(project, Screen(), folder)
        upstream = Upstream.connect(model, model_name) if model else None
        if token:
            code = cloud.token(token)
        elif logs:
            code = cloud.logs(follow=follow)
        elif stop:
            code = cloud.stop()
        elif clean:
            code = cloud.clean()
        elif demo:
            code = cloud.demo(demo, upstream)
        else:
            code = cloud.up(upstream)
    except (ClientError, CloudError, ProjectError) as error:
        _fail(error)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def package(
    project: Project = Path(),
    architecture: Annotated[
        list[Architecture] | None,
        typer.Option(help="Architecture to build for. Repeatable. Default: the two of Lambda."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to write to. Default: dist in the project.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the manifests as one JSON document.")] = False,
    environments: Annotated[
        bool, typer.Option("--environments", help="Build the packages of all environments, each once.")
    ] = False,
) -> None:
    """Build the deployment package of a project."""
    if environments:
        commands_deploy.package_environments()
        return
    from analysis_jobs_dev import package as packages  # noqa: PLC0415 - see the module
    from analysis_jobs_dev.packager import PackageError  # noqa: PLC0415 - as above
    from analysis_jobs_dev.project import ProjectError, load  # noqa: PLC0415 - as above

    try:
        given = load(project)
        folder = out or given.folder / packages.OUT
        manifests = packages.package(given, architecture or packages.DEFAULT_ARCHITECTURES, out=folder)
    except (PackageError, ProjectError) as error:
        _fail(error)
    for notice in packages.notices(given):
        typer.echo(notice, err=True)
    if json:
        typer.echo(json_.dumps({"packages": [asdict(manifest) for manifest in manifests]}, indent=2))
        return
    for manifest in manifests:
        typer.echo(packages.summary(manifest, folder))


COMMANDS: dict[str, Callable[..., Any]] = {
    "init": init,
    "package": package,
    "local": local,
    **commands_bootstrap.COMMANDS,
    **commands_deploy.COMMANDS,
    **commands_release.COMMANDS,
    **commands_doctor.COMMANDS,
}


def _refusal(problem: str) -> Callable[[], None]:
    def refuse() -> None:
        typer.echo(problem, err=True)
        raise typer.Exit(2)

    return refuse


def _fail(error: Exception) -> NoReturn:
    typer.echo(error, err=True)
    raise typer.Exit(1)
