"""The command that prepares an account for deployments. `commands` registers it."""

import contextlib
import json as json_
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

# https or ssh, with or without ".git".
_ORIGIN = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:](?P<repository>[^/]+/[^/]+?)(?:\.git)?/?")


def bootstrap(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, such as staging.")],
    *,
    repository: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME", help="Repository on GitHub that deploys. Default: that of the remote origin."
        ),
    ] = None,
    github_environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment on GitHub. Default: ENV.")
    ] = None,
    packages: Annotated[
        bool, typer.Option("--packages", help="Also make a bucket for packages, which a zip over 50 MB needs.")
    ] = False,
    variables: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON file with further variables of modules/bootstrap. They win."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the settings of GitHub as JSON at the end.")] = False,
) -> None:
    """Prepare an account: the bucket of Terraform's state, and the roles that plan and deploy from GitHub.

    It needs the rights of an administrator of the account, once. Run it again after a change of the settings.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see the module `commands`

    from analysis_jobs_dev.bootstrap import report  # noqa: PLC0415 - as above
    from analysis_jobs_dev.bootstrap.root import BootstrapError, BootstrapRoot  # noqa: PLC0415 - as above
    from analysis_jobs_dev.environments.config import ConfigError, load  # noqa: PLC0415 - as above
    from analysis_jobs_dev.provider_mirror import MirrorError  # noqa: PLC0415 - as above

    try:
        found = load(environment)
        given = _variables(found, repository, github_environment or environment, packages=packages, file=variables)
        for other in reached_too(found):
            typer.echo(
                f"Warning: {other} begins with {found.stack}-, so the roles of {environment} can change it if both are "
                "in one account. Choose another name.",
                err=True,
            )
        folder = found.repository / ".local" / "bootstrap" / environment
        root = BootstrapRoot(folder, found.region, given, _local(found), sys.stderr if json else None)
        if not root.plan():
            typer.echo("The account has everything.", err=json)
        elif not yes and not typer.confirm("Apply these changes?", err=True):
            _fail("Nothing was changed.")
        outputs = root.apply()
    except (BootstrapError, ConfigError, MirrorError, OSError) as error:
        _fail(error)
    except (BotoCoreError, ClientError) as error:
        _fail(f"AWS refused a call: {error}\nUse the credentials of an administrator of the account: set AWS_PROFILE.")
    named = given["github"]["repository"]
    name = given["github"]["environment"]
    if json:
        settings = {
            "commands": report.commands(named, name, outputs),
            "configuration": report.configuration(outputs),
            "subjects": outputs["subjects"],
            "variables": report.variables(outputs),
        }
        typer.echo(json_.dumps(settings, indent=2))
    else:
        typer.echo("\n" + report.text(named, name, outputs, found.file.relative_to(found.repository).as_posix()))


def _variables(
    found: Any,  # noqa: ANN401 - an Environment, which takes long to import
    repository: str | None,
    github_environment: str,
    *,
    packages: bool,
    file: Path | None,
) -> dict[str, Any]:
    """Return the variables of modules/bootstrap. Raises ConfigError."""
    from analysis_jobs_dev.bootstrap.extra import extra_of, prefixes_of  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.environments.config import ConfigError  # noqa: PLC0415 - as above

    repository = repository or origin(found.repository)
    if repository is None:
        raise ConfigError("Name the repository on GitHub that deploys: --repository OWNER/NAME.")
    if found.stack is None:
        raise ConfigError(f"{found.file} has no `name`: the roles are limited to names that begin with it.")
    role = found.variables.get("role") or {}
    given: dict[str, Any] = {
        "extra": extra_of(found.variables, _partition(found.region)),
        "github": {"environment": github_environment, "repository": repository},
        "name": found.stack,
        "name_prefixes": prefixes_of(found.variables, found.stack),
        "role": {key: role[key] for key in ("name_prefix", "path") if key in role},
        "state": {
            key: value
            for key, value in {"bucket": found.state.bucket, "key": found.state.key}.items()
            if value is not None
        },
    }
    if table := (found.variables.get("names") or {}).get("prompt_table"):
        given["prompt_table"] = table
    if packages or found.package_bucket:
        given["packages"] = {"bucket": found.package_bucket, "create": packages}
    if file:
        more = json_.loads(file.read_text("utf-8"))
        given = {
            key: {**given.get(key, {}), **more[key]}
            if isinstance(more.get(key), Mapping)
            else more.get(key, given.get(key))
            for key in sorted({*given, *more})
        }
    return given


def reached_too(found: Any) -> list[str]:  # noqa: ANN401 - an Environment
    """Return the stacks of other environments in the Region that the patterns of this one match."""
    from analysis_jobs_dev.environments.config import ConfigError, load, names  # noqa: PLC0415 - see the module `commands`

    found_names = []
    for name in names(found.repository):
        with contextlib.suppress(ConfigError):
            other = load(name, found.repository)
            if not other.is_local and other.region == found.region:
                found_names.append(other.stack or "")
    return sorted(each for each in found_names if each.startswith(f"{found.stack}-"))


def _partition(region: str) -> str:
    import boto3  # noqa: PLC0415 - takes long to import

    return str(boto3.Session().get_partition_for_region(region))


def _local(found: Any) -> dict[str, str]:  # noqa: ANN401 - an Environment
    """Return the variables that reach the running local cloud, if the environment is that. Raises ConfigError."""
    if not found.is_local:
        return {}
    from analysis_jobs_dev.cloud.connection import Connection  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.cloud.local_cloud import default_folder  # noqa: PLC0415 - as above
    from analysis_jobs_dev.environments.config import ConfigError  # noqa: PLC0415 - as above

    folders = [found.repository / ".local" / "cloud", found.folder / "cloud", default_folder(found.project.name)]
    connection = next(filter(None, map(Connection.find, folders)), None)
    if connection is None:
        raise ConfigError("No local cloud runs: start it with `analysis-jobs local` or `make local`.")
    return connection.environment()


def origin(folder: Path) -> str | None:
    """Return the repository on GitHub that the remote `origin` names."""
    command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    named = _ORIGIN.fullmatch(said)
    return named["repository"] if named else None


COMMANDS: dict[str, Callable[..., Any]] = {"bootstrap": bootstrap}


def _fail(error: Exception | str) -> NoReturn:
    typer.echo(error, err=True)
    raise typer.Exit(1)
