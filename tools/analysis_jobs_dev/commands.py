"""The commands of `analysis-jobs` for developers: `init` and `local`. The command line registers them.

What they use is imported when they run: `analysis-jobs --help` must not wait for it.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

_PROJECT = Annotated[Path, typer.Argument(help="Folder of the project.", show_default="here")]


def init(
    name: Annotated[str, typer.Argument(help="Name of the project, such as letter-summary.")],
    example: Annotated[str | None, typer.Option("--from", metavar="EXAMPLE", help="Start from an example.")] = None,
    module: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Source of the Terraform module, such as a git:: URL.")
    ] = None,
) -> None:
    """Create a project that runs, in a new folder NAME."""
    from analysis_jobs_dev.init import InitError, create  # noqa: PLC0415 - see the module

    try:
        folder = create(name, example=example, module=module)
    except InitError as error:
        _fail(error)
    typer.echo(f"Created {folder}. Next:\n\n  cd {folder}\n  pytest\n  analysis-jobs local --demo documents/letter.txt")


def local(  # noqa: PLR0913 - the options of a command
    project: _PROJECT = Path(),
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
    from analysis_jobs.client.http import CallError  # noqa: PLC0415 - see the module
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
    except (CallError, CloudError, ProjectError) as error:
        _fail(error)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def _fail(error: Exception) -> None:
    typer.echo(error, err=True)
    sys.exit(1)
