"""Brings changed files of a project into its running local cloud, without an apply."""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs_dev import project as projects
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.deployments import upload
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.cloud.patched_package import PatchedPackage, new_declarations
from analysis_jobs_dev.cloud.patches import Code
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.packager import PackageError
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.project import Project, ProjectError

ALIAS = "live"
CODE_VERSION = "CODE_VERSION"
UPDATE_TIMEOUT_S = 60.0
POLL_S = 0.05
PACKAGES = "package"
_NOT_WATCHED = {"__pycache__", "dist", "documents", "node_modules", "tests"}
_NOT_WATCHED_SUFFIXES = {".log", ".md", ".pyc", ".swp", ".tmp", ".zip"}

_TERRAFORM = {".tf", ".tfvars"}
# What a changed file may raise. Any other error is one of this program.
_REFUSALS = (BotoCoreError, ClientError, CloudError, ConfigurationError, OSError, PackageError, ProjectError)

type Files = Mapping[Path, tuple[int, int]]  # time of the last change (ns) and size, by path


@dataclass
class Reloader:
    """Watches the files of a project, and updates the functions, the prompts and the scripted answers.

    `seen` are the files as the running cloud has them: taken before it was started, so that an edit meanwhile counts.
    A change that cannot be brought in is shown on the screen, and the last good version stays in service.
    """

    project: Project
    cloud: LocalCloud
    screen: Screen
    seen: Files
    _package: PatchedPackage = field(init=False)
    _applied: Declarations = field(init=False)

    def __post_init__(self) -> None:
        self._package = PatchedPackage(self.project, self.cloud.folder / PACKAGES)
        self._applied = self._package.declarations

    def check(self) -> bool:
        """Bring in what has changed since the last call; return whether anything has."""
        found = files_of(self.project)
        if found == self.seen:
            return False
        changed = {path for path in found.keys() | self.seen.keys() if found.get(path) != self.seen.get(path)}
        self.seen = found
        started = time.monotonic()
        if settings := {path for path in changed if self._is_setting(path)}:
            self.screen.say(f"restart  {_names(settings, self.project)}: start `analysis-jobs local` again to apply it")
            changed -= settings
        try:
            what = self._bring_in(changed)
        except _REFUSALS as error:
            self.screen.say(f"  error  {_names(changed, self.project)}: {error}")
            return True
        if what:
            took_s = time.monotonic() - started
            self.screen.say(f"   live  {_names(changed, self.project)}: {what} ({took_s:.1f} s)")
        return bool(what)

    def _is_setting(self, path: Path) -> bool:
        """Tell whether only an apply brings a file in: Terraform, and the environment `local`."""
        return path.suffix in _TERRAFORM or path == self.project.folder / "envs" / "local.json"

    def _bring_in(self, changed: set[Path]) -> str:
        before, self.project = self.project, projects.load(self.project.folder)
        package = self._package.update(self.project, changed)  # first: what it refuses must not be half in service
        done = []
        if {before.answers, self.project.answers} & changed:
            self.cloud.stand_in.load_answers([self.project.answers] if self.project.answers else [])
            done.append("scripted answers")
        prompts = self.project.prompts
        if prompts and any(path.is_relative_to(prompts) for path in changed):
            self.cloud.put_prompts()
            done.append("prompts")
        if package and update(self.cloud.connection, package.code):
            self.cloud.apply_at_next_start()
            done.append(f"code {package.code.version}")
            if new := new_declarations(self._applied, package.declarations):
                done.append(f"start `analysis-jobs local` again for {', '.join(new)}")
        return ", ".join(done)


def update(connection: Connection, code: Code) -> bool:
    """Put the code into service in all functions; return whether that changed any of them."""
    aws = connection.boto3("lambda")
    outdated = [name for name in connection.outputs["function_names"].values() if not _has(aws, name, code)]
    if not outdated:
        return False
    where = upload(connection, code.path, code.sha256)
    with ThreadPoolExecutor(len(outdated)) as pool:
        list(pool.map(lambda name: _update(aws, name, where, code.version), outdated))
    return True


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


def _has(aws: Any, name: str, code: Code) -> bool:  # noqa: ANN401 - a client of boto3
    found = aws.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
    return bool(found["CodeSha256"] == code.sha256_base64)


def _update(aws: Any, name: str, where: Mapping[str, str], version: str) -> None:  # noqa: ANN401 - as above
    variables = aws.get_function_configuration(FunctionName=name).get("Environment", {}).get("Variables", {})
    if CODE_VERSION in variables:
        aws.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**variables, CODE_VERSION: version}}
        )
        _wait(aws, name)
    aws.update_function_code(FunctionName=name, S3Bucket=where["bucket"], S3Key=where["key"])
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
