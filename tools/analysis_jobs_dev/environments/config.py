"""Reads and checks the configuration of an environment. It needs no credentials, no network and no Terraform.

    {
      "$schema": "../../schemas/environment.schema.json",
      "project": "examples/rfp-analysis",
      "name": "rfp-staging",
      "region": "eu-west-1",
      "settings": { "authorizer": { "issuer": "https://login.example.com", "audience": ["analysis-jobs"] } }
    }

The file is `envs/<environment>/config.json`, or `envs/<environment>.json`. Paths in it are relative to the folder that
has `envs`. `settings` are the variables of the project's Terraform root, or those of the module if the project has no
root. docs/deploying.md describes the other keys.
"""

from pathlib import Path
from typing import Any

from analysis_jobs_dev import places
from analysis_jobs_dev.environments import schema
from analysis_jobs_dev.environments.check import ARCHITECTURES, Checked, check, default_package, interface_of, root_of
from analysis_jobs_dev.environments.document import Document, SyntaxProblemError
from analysis_jobs_dev.environments.explain import nearest
from analysis_jobs_dev.environments.model import (
    FILE,
    FOLDER,
    LOCAL,
    ConfigError,
    Environment,
    StatePlace,
    files_of,
    find_repository,
    names,
)

__all__ = [
    "LOCAL",
    "ConfigError",
    "Environment",
    "StatePlace",
    "find_repository",
    "interface_of",
    "load",
    "load_all",
    "names",
]


def load(name: str, start: Path = Path(), *, architecture: str = ARCHITECTURES[0]) -> Environment:
    """Return the environment with this name, of the folder `start` or of one above it.

    `architecture` is that of the default package. Raises `ConfigError` with all problems of the file.
    """
    repository = find_repository(start)
    file = _file(name, repository)
    try:
        document = Document.read(file)
    except SyntaxProblemError as error:
        raise ConfigError.of([error.problem]) from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    return _environment(name, document, repository, check(name, document, repository), architecture)


def load_all(start: Path = Path()) -> list[Environment]:
    """Return all environments. Raises `ConfigError` with the problems of all files."""
    found: list[Environment] = []
    errors: list[ConfigError] = []
    for name in names(find_repository(start)):
        try:
            found.append(load(name, start))
        except ConfigError as error:
            errors.append(error)
    if errors:
        problems = tuple(each for error in errors for each in error.problems)
        raise ConfigError("\n".join(map(str, errors)), problems)
    return found


def _file(name: str, repository: Path) -> Path:
    files = files_of(repository)
    if name not in files:
        near = nearest(name, sorted(files))
        advice = f" Did you mean {near}?" if near else ""
        if name and (repository / FOLDER / name).is_dir() and "/" not in name:
            advice = f" The folder {FOLDER}/{name} has no {FILE}."
        raise ConfigError(f"There is no environment {name!r}. There are: {', '.join(sorted(files))}.{advice}")
    if len(files[name]) > 1:
        both = " and ".join(each.relative_to(repository).as_posix() for each in files[name])
        raise ConfigError(f"The environment {name} has two files, {both}: remove one.")
    return files[name][0]


def _environment(name: str, document: Document, repository: Path, checked: Checked, architecture: str) -> Environment:
    value, project, interface = document.value, checked.project, checked.interface
    given: dict[str, Any] = {key: value[key] for key in schema.TOP_LEVEL if key in value and interface.has(key)}
    if project.infra is None:
        given.setdefault("analyses", list(project.analyses))
    state = value.get("state", {})
    prefix = project.name if project.folder == repository else places.DISTRIBUTION
    package = repository / value["package"] if "package" in value else None
    return Environment(
        name=name,
        file=document.file,
        repository=repository,
        project=project,
        stack=value.get("name"),
        region=value["region"],
        package_bucket=value.get("package_bucket"),
        permissions_boundary_arn=value.get("permissions_boundary_arn"),
        state=StatePlace(state.get("bucket"), state.get("key", f"{prefix}/{name}.tfstate"), "key" in state),
        package=package or default_package(project, repository, architecture),
        variables={**interface.values(value.get("settings", {})), **given},
        root=root_of(project),
        has_own_root=project.infra is not None,
        deployment=value.get("deployment", {}),
        roles=value.get("roles", {}),
    )
