"""What an environment is, and where its file is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from analysis_jobs_dev.environments.document import Problem
from analysis_jobs_dev.project import Project

__all__ = ["LOCAL", "ConfigError", "Environment", "StatePlace", "files_of", "find_repository", "names"]

FOLDER = "envs"
FILE = "config.json"
# The environment that is deployed to the local cloud.
LOCAL = "local"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class ConfigError(Exception):
    """A configuration is missing or wrong. The message has a line for each problem, with its file, line and fix."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems

    @classmethod
    def of(cls, problems: list[Problem]) -> Self:
        """Return the error of some problems, in the order of their lines."""
        ordered = tuple(sorted(set(problems)))
        return cls("\n".join(map(str, ordered)), ordered)


@dataclass(frozen=True)
class StatePlace:
    """Where Terraform's state is in S3. `bucket` is None if the environment variable TF_STATE_BUCKET names it.

    `has_key` tells whether the file names the key. Otherwise it is the default.
    """

    bucket: str | None
    key: str
    has_key: bool


@dataclass(frozen=True)
class Environment:
    """A checked configuration. All paths are absolute.

    `stack` is the `name` in the file; None if the root has no such variable. `package` is the manifest to deploy, which
    may not be built yet. `variables` are those of the Terraform root in the folder `root`, except `package`.
    `root` is the module itself if `has_own_root` is False. `roles` are the ARNs of the roles to `plan` and to `deploy`,
    if the file has them.
    """

    name: str
    file: Path
    repository: Path
    project: Project
    stack: str | None
    region: str
    package_bucket: str | None
    permissions_boundary_arn: str | None
    state: StatePlace
    package: Path
    variables: Mapping[str, Any] = field(repr=False)
    root: Path
    has_own_root: bool
    deployment: Mapping[str, Any]
    roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether this environment is the local cloud."""
        return self.name == LOCAL

    @property
    def folder(self) -> Path:
        """The folder of the files that a deployment of this environment makes."""
        return self.repository / ".local" / "deploy" / self.name


def find_repository(start: Path) -> Path:
    """Return the folder that has `envs`: `start` or one above it. Raises `ConfigError` if there is none."""
    start = start.resolve()
    found = next((each for each in (start, *start.parents) if files_of(each)), None)
    if found is None:
        raise ConfigError(
            f"Neither {start} nor a folder above it has an environment: write {FOLDER}/staging.json, or "
            f"{FOLDER}/staging/{FILE}."
        )
    return found


def names(repository: Path) -> list[str]:
    """Return the names of the environments in a folder."""
    return sorted(files_of(repository))


def files_of(repository: Path) -> dict[str, list[Path]]:
    """Return the files of each environment, by its name."""
    found: dict[str, list[Path]] = {}
    folder = repository / FOLDER
    for path in [*folder.glob(f"*/{FILE}"), *folder.glob("*.json")]:
        name = path.parent.name if path.name == FILE and path.parent != folder else path.stem
        if _NAME.fullmatch(name):
            found.setdefault(name, []).append(path)
    return found
