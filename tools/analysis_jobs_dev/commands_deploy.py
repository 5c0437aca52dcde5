"""The commands that check and plan an environment. `commands` registers them."""

import json as json_
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeAlias

import typer

_CHANGES = 2  # as `terraform plan -detailed-exitcode`
Environment: TypeAlias = Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, such as staging.")]
Build: TypeAlias = Annotated[bool, typer.Option("--build", help="Build the package first.")]


def config(
    environments: Annotated[
        list[str] | None, typer.Argument(metavar="[ENV]...", help="Names of environments. Default: all.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the project in this folder, for editors.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
    github: Annotated[
        bool, typer.Option("--github", help="Print Region and roles of one environment as outputs of a step.")
    ] = False,
) -> None:
    """Check the configuration of environments. This needs no credentials and no Terraform."""
    from analysis_jobs_dev import project  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.environments import config as configs  # noqa: PLC0415 - as above
    from analysis_jobs_dev.environments.schema import for_root  # noqa: PLC0415 - as above
    from analysis_jobs_dev.environments.variables import UnreadableRootError  # noqa: PLC0415 - as above

    if schema:
        try:
            interface = configs.interface_of(project.load(Path()))
        except (project.ProjectError, UnreadableRootError) as error:
            _fail(error)
        typer.echo(json_.dumps(for_root(interface), indent=2))
        return
    try:
        found = [configs.load(name) for name in environments] if environments else configs.load_all()
    except configs.ConfigError as error:
        if json:
            problems = [{"file": str(each.file), "line": each.line, "message": each.message} for each in error.problems]
            typer.echo(json_.dumps({"problems": problems or [{"message": str(error)}]}, indent=2))
            raise typer.Exit(1) from error
        _fail(error)
    if json:
        typer.echo(json_.dumps({"problems": []}))
        return
    if github:
        _print_outputs(found)
        return
    for each in found:
        typer.echo(f"{each.name}: {each.project.name} as {each.stack or 'its root names it'} in {each.region}")


def _print_outputs(environments: list[Any]) -> None:
    from analysis_jobs_dev.environments import config as configs  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.environments.github import outputs  # noqa: PLC0415 - as above

    if len(environments) != 1:
        _fail(ValueError("--github prints the outputs of one environment: name it."))
    try:
        typer.echo("\n".join(outputs(environments[0])))
    except configs.ConfigError as error:
        _fail(error)


def plan(
    environment: Environment,
    *,
    check: Annotated[bool, typer.Option("--check", help="Check only the configuration.")] = False,
    build: Build = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the plan in FILE, and its summary in Markdown in FILE.md."),
    ] = None,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 2 if the plan would change something.")
    ] = False,
) -> None:
    """Show what a deployment of an environment would change. The state is read, and not locked."""
    from analysis_jobs_dev.environments import deploy as deploying  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.release.errors import ReleaseError  # noqa: PLC0415 - as above
    from analysis_jobs_dev.release.terraform import keep_live  # noqa: PLC0415 - as above

    if check:
        config([environment])
        return
    try:
        with deploying.prepared(environment, build=build, upload=False) as root:
            keep_live(root)
            file = (out or root.plan_file).resolve()
            has_changes = deploying.plan(root, file, lock=False)
            typer.echo(f"\nThe plan is in {file}, and its summary in {file}.md.")
            typer.echo(f"Apply it: analysis-jobs deploy {environment} --plan {file}")
            if not root.connection:
                typer.echo(f"Or work with Terraform itself: {root.command('plan')}")
    except (*deploying.ERRORS, ReleaseError) as error:
        _fail(error)
    if expect_no_changes and has_changes:
        typer.echo(f"{environment} is not as it was deployed: see the plan.", err=True)
        raise typer.Exit(_CHANGES)


def package_environments() -> None:
    """Build the packages that the environments deploy, and print their names."""
    from analysis_jobs_dev.environments import deploy as deploying  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.environments.github import build_packages  # noqa: PLC0415 - as above

    try:
        for manifest in build_packages():
            typer.echo(f"Built {manifest.stem}")
    except deploying.ERRORS as error:
        _fail(error)


COMMANDS: dict[str, Callable[..., Any]] = {"config": config, "plan": plan}


def _fail(error: Exception) -> NoReturn:
    typer.echo(error, err=True)
    raise typer.Exit(1)
