"""Brings changed files of a project into its running local cloud, without an apply."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs_dev import project as projects
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.deployments import upload
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.cloud.packages import package_of
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.packager import Manifest
from analysis_jobs_dev.project import Project, ProjectError

ALIAS = "live"
CODE_VERSION = "CODE_VERSION"
UPDATE_TIMEOUT_S = 60.0
POLL_S = 0.05
# The functions that load the analyses come first.
_FIRST = ("worker", "api")
_NOT_WATCHED = {"__pycache__", "dist", "documents", "envs", "node_modules", "tests"}
_NOT_WATCHED_SUFFIXES = {".md", ".pyc", ".swp", ".tmp", ".tf", ".tfvars", ".zip"}

type Files = Mapping[Path, tuple[int, int]]  # time of the last change (ns) and size, by path


@dataclass
class Reloader:
    """Watches the files of a project, and updates the functions, the prompts and the scripted answers."""

    project: Project
    cloud: LocalCloud
    screen: Screen
    _seen: Files = field(init=False)

    def __post_init__(self) -> None:
        self._seen = files_of(self.project)

    def check(self) -> bool:
        """Bring in what has changed since the last call; return whether anything has."""
        found = files_of(self.project)
        if found == self._seen:
            return False
        changed = {path for path in found.keys() | self._seen.keys() if found.get(path) != self._seen.get(path)}
        self._seen = found
        started = time.monotonic()
        try:
            what = self._bring_in(changed)
        except (BotoCoreError, ClientError, CloudError, ProjectError, OSError) as error:
            # The last good version stays in service.
            self.screen.say(f"  error  {_names(changed, self.project)}: {error}")
            return True
        self.screen.say(f"   live  {_names(changed, self.project)}: {what} ({time.monotonic() - started:.1f} s)")
        return True

    def _bring_in(self, changed: set[Path]) -> str:
        self.project = projects.load(self.project.folder)
        done = []
        if self.project.answers in changed:
            self.cloud.stand_in.load_answers([self.project.answers] if self.project.answers else [])
            done.append("scripted answers")
        prompts = self.project.prompts
        if prompts and any(path.is_relative_to(prompts) for path in changed):
            self.cloud.put_prompts()
            done.append("prompts")
        package = package_of(self.project, self.cloud.folder / "package")
        if update(self.cloud.connection, package):
            self.cloud.apply_at_next_start()
            done.append(f"code {package.version}")
        return ", ".join(done) or "nothing to do"


def update(connection: Connection, package: Manifest) -> bool:
    """Put the package into service in all functions; return whether that changed any of them."""
    functions = connection.outputs["function_names"]
    code = upload(connection, package)
    names = sorted(functions, key=lambda name: (name not in _FIRST, name))
    aws = connection.boto3("lambda")
    outdated = [each for each in (functions[name] for name in names) if not _has(aws, each, package)]
    for name in outdated:
        _update(aws, name, code, package.version)
    return bool(outdated)


def files_of(project: Project) -> Files:
    """Return the watched files of a project: code, data, prompts, scripted answers, and its description."""
    found = {}
    for path in _walk(project.folder):
        try:
            about = path.stat()
        except FileNotFoundError:  # an editor has just replaced it
            continue
        found[path] = about.st_mtime_ns, about.st_size
    return found


def _has(aws: Any, name: str, package: Manifest) -> bool:  # noqa: ANN401 - a client of boto3
    found = aws.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
    return bool(found["CodeSha256"] == package.sha256_base64)


def _update(aws: Any, name: str, code: Mapping[str, str], version: str) -> None:  # noqa: ANN401 - as above
    variables = aws.get_function_configuration(FunctionName=name).get("Environment", {}).get("Variables", {})
    if CODE_VERSION in variables:
        aws.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**variables, CODE_VERSION: version}}
        )
        _wait(aws, name)
    aws.update_function_code(FunctionName=name, S3Bucket=code["bucket"], S3Key=code["key"])
    _wait(aws, name)
    published = aws.publish_version(FunctionName=name)["Version"]
    aws.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=published)


def _wait(aws: Any, name: str) -> None:  # noqa: ANN401 - as above
    deadline = time.monotonic() + UPDATE_TIMEOUT_S
    while aws.get_function_configuration(FunctionName=name).get("LastUpdateStatus") == "InProgress":
        if time.monotonic() > deadline:
            raise CloudError(f"{name} was not updated within {UPDATE_TIMEOUT_S:.0f} s.")
        time.sleep(POLL_S)


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not (each.startswith(".") or each in _NOT_WATCHED)]
        for name in files:
            if not name.startswith(".") and Path(name).suffix not in _NOT_WATCHED_SUFFIXES and not name.endswith("~"):
                yield Path(here, name)


def _names(paths: set[Path], project: Project) -> str:
    names = sorted(str(path.relative_to(project.folder)) for path in paths)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
