"""Checks the configuration of an environment, and finds all of its problems at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis_jobs_dev import check_call, places
from analysis_jobs_dev import project as projects
from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.environments import explain, schema, secrets
from analysis_jobs_dev.environments.backend import own_block
from analysis_jobs_dev.environments.document import Document, Problem, SyntaxProblemError, dotted, texts
from analysis_jobs_dev.environments.explain import nearest
from analysis_jobs_dev.environments.model import FOLDER, LOCAL, ConfigError, files_of
from analysis_jobs_dev.environments.schema import RootInterface
from analysis_jobs_dev.environments.variables import UnreadableRootError
from analysis_jobs_dev.project import Project, ProjectError
from analysis_jobs_dev.terraform_files import provider_region

__all__ = ["ARCHITECTURES", "Checked", "check", "default_package", "interface_of", "root_of"]

DIST = "dist"
ARCHITECTURES = ("arm64", "x86_64")
# Terraform and GitHub Actions replace such texts in their own files, and nobody replaces them here.
_TEMPLATE = re.compile(r"\$\{\s*(?:var|local|module|data|path|terraform|env|each)\.|\$?\{\{")


@dataclass(frozen=True)
class Checked:
    """What a configuration without problems is about: the project, and the variables of its Terraform root."""

    project: Project
    interface: RootInterface


def check(name: str, document: Document, repository: Path) -> Checked:
    """Check the file of the environment with this name. Raises `ConfigError` with all of its problems."""
    return _Check(name, document, repository).result()


def interface_of(project: Project) -> RootInterface:
    """Return the variables that an environment of the project sets. Raises `UnreadableRootError`."""
    return RootInterface.read(root_of(project))


def root_of(project: Project) -> Path:
    """Return the folder of the project's Terraform root: its own one, or the module."""
    return project.infra or places.modules() / "analysis-jobs"


def default_package(project: Project, repository: Path, architecture: str) -> Path:
    """Return the path of the manifest that is deployed if the configuration names none."""
    folder = project.folder if project.folder == repository else repository
    return folder / DIST / f"{project.name}-{architecture}.json"


@dataclass(frozen=True)
class _Check:
    name: str
    document: Document
    repository: Path
    _misplaced: dict[str, str] = field(default_factory=dict)

    def result(self) -> Checked:
        value = self.document.value
        if not isinstance(value, dict):
            raise ConfigError.of([self.document.problem((), 'the file must have an object: { "region": …, … }.')])
        problems = list(self._of_the_text())
        project = self._project(problems)
        if project is None:
            # Without the project nobody knows its settings. The other keys are checked as far as possible.
            unknown = schema.for_root(RootInterface({}))
            raise ConfigError.of([*problems, *self._of_the_schema(unknown, ("settings", *schema.OF_THE_ROOT))])
        try:
            interface = interface_of(project)
        except UnreadableRootError as error:
            raise ConfigError.of([*problems, self.document.problem(("project",), str(error))]) from error
        absent = [key for key in schema.OF_THE_ROOT if key in value and not interface.has(key)]
        self._find_misplaced(interface)
        problems += self._of_the_root(interface, project)
        problems += self._of_the_schema(schema.for_root(interface, is_filled=self.name == LOCAL), absent)
        problems += self._of_absent_variables(interface, absent, project)
        problems += self._of_values(project)
        if problems:
            raise ConfigError.of(problems)
        return Checked(project, interface)

    @cached_property
    def _value(self) -> dict[str, Any]:
        return dict(self.document.value)

    def _of_the_text(self) -> Iterator[Problem]:
        for path, line in self.document.duplicates:
            message = f"the key {dotted(path)} is there twice, and only the last one would count. Remove one."
            yield Problem(self.document.file, line, message)
        for path, kind in secrets.found(self.document.value):
            message = f"{dotted(path)} looks like {kind}. {secrets.FIX}. The file is in the repository."
            yield self.document.problem(path, message)
        for path, text in texts(self.document.value):
            if _TEMPLATE.search(text):
                message = f"{dotted(path)} is {text!r}, and nothing replaces the expression here. Write the value."
                yield self.document.problem(path, message)
        named = self.document.value.get("$schema")
        if isinstance(named, str) and "://" not in named and not (self.document.file.parent / named).is_file():
            message = f"$schema is {named!r}, and there is no such file, so that no editor checks this one."
            yield self.document.problem(("$schema",), f"{message} {self._schema_fix()}")

    def _schema_fix(self) -> str:
        above = "../" * len(self.document.file.parent.relative_to(self.repository).parts)
        if (self.repository / "schemas" / "environment.schema.json").is_file():
            return f"Write {above}schemas/environment.schema.json."
        return f"Write it with `analysis-jobs config --schema > {FOLDER}/environment.schema.json`."

    def _project(self, problems: list[Problem]) -> Project | None:
        given = self._value.get("project", ".")
        if not isinstance(given, str) or not given:
            return None  # the schema says so
        if Path(given).is_absolute() or "\\" in given:
            problems.append(
                self.document.problem(
                    ("project",),
                    f"project is {given!r}. Give a path relative to {self.repository}, with forward slashes.",
                )
            )
            return None
        folder = self.repository / given
        if not folder.is_dir():
            near = nearest(folder.name, _folders(folder.parent))
            advice = f" Did you mean {(Path(given).parent / near).as_posix()}?" if near else ""
            problems.append(self.document.problem(("project",), f"there is no folder {given}.{advice}"))
            return None
        try:
            return projects.load(folder)
        except ProjectError as error:
            fix = "" if "project" in self._value else ' Name the folder of the project: "project": "…".'
            problems.append(self.document.problem(("project",), f"{error}{fix}"))
            return None

    def _of_the_schema(self, wanted: dict[str, Any], ignored: tuple[str, ...] | list[str]) -> Iterator[Problem]:
        value = {key: each for key, each in self._value.items() if key not in ignored}
        if isinstance(settings := value.get("settings"), dict):
            value["settings"] = {key: each for key, each in settings.items() if key not in self._misplaced}
        for path, message in explain.problems(value, wanted):
            is_known_better = path == ("region",) and isinstance(value.get("region"), str)  # see `_of_the_region`
            if not is_known_better and (not path or path[0] not in ignored):
                yield self.document.problem(path, message)

    def _find_misplaced(self, interface: RootInterface) -> None:
        """Find keys of `settings` that are set elsewhere."""
        settings = self._value.get("settings")
        for name in settings if isinstance(settings, dict) else ():
            variable = interface.variables.get(name)
            if variable is None or name in interface.inner:
                continue
            if name in schema.MANAGED:
                self._misplaced[name] = f"settings.{name} belongs at the top of the file: move it out of `settings`."
            elif variable.is_sensitive:
                instead = f"the environment variable TF_VAR_{name}"
                self._misplaced[name] = f"settings.{name} is a sensitive variable: set it with {instead}."

    def _of_the_root(self, interface: RootInterface, project: Project) -> Iterator[Problem]:
        for name in interface.clashes:
            message = (
                f"the root {root_of(project)} has a variable {name}, and its variable `settings` has an attribute "
                f"{name}: the file cannot name both. Rename one of them."
            )
            yield self.document.problem(("settings",), message)
        for name, message in self._misplaced.items():
            yield self.document.problem(("settings", name), message)
        if project.infra:
            yield from self._of_own_root(project.infra)

    def _of_own_root(self, root: Path) -> Iterator[Problem]:
        """Find what the root says against the configuration, and misspelt settings in its module calls."""
        kind, _ = own_block(root)
        if kind not in {"", "s3"} and "state" in self._value:
            message = (
                f"the Terraform root has a backend of its own, {kind}, so that `state` would be ignored. Remove it."
            )
            yield self.document.problem(("state",), message)
        region = self._value.get("region")
        fixed = provider_region(root)
        if isinstance(region, str) and fixed not in {None, region} and not _takes_region(root):
            message = f"region is {region}, and the provider in {root} has {fixed}. Write region = var.region there."
            yield self.document.problem(("region",), message)
        for finding in check_call.check(root):
            if finding.is_certain:
                yield Problem(finding.file, finding.line, f"{finding.message}.".replace("?.", "?"))

    def _of_absent_variables(self, interface: RootInterface, absent: list[str], project: Project) -> Iterator[Problem]:
        for key in absent:
            where = _relative(root_of(project), self.repository)
            message = (
                f"the Terraform root {where} has no variable {key}, so that {key} would be ignored. Add the variable "
                f"and pass it to the module, {key} = var.{key}, or remove {key} here."
            )
            if interface.has("settings") and key in interface.inner:
                message = f"{key} belongs in `settings`."
            yield self.document.problem((key,), message)

    def _of_values(self, project: Project) -> Iterator[Problem]:
        yield from self._of_the_region()
        analyses = self._value.get("analyses")
        for number, module in enumerate(analyses if isinstance(analyses, list) else ()):
            if isinstance(module, str) and module not in project.analyses:
                near = nearest(module, list(project.analyses))
                advice = f"Did you mean {near}?" if near else f"It declares {', '.join(project.analyses)}."
                message = (
                    f"analyses names {module!r}, which {_relative(project.file, self.repository)} does not. {advice}"
                )
                yield self.document.problem(("analyses", number), message)
        yield from self._of_the_package(project)
        if (project.folder / demo_file.FILE).is_file():
            try:
                demo_file.documents_of(project.folder, demo_file.load(project.folder))
            except CloudError as error:
                yield Problem(project.folder / demo_file.FILE, 1, str(error))
        yield from self._of_other_environments()

    def _of_the_region(self) -> Iterator[Problem]:
        region = self._value.get("region")
        if isinstance(region, str) and region not in _regions():
            near = nearest(region, _regions())
            advice = f"Did you mean {near}?" if near else "Correct it, or update boto3 if the Region is new."
            yield self.document.problem(("region",), f"region is {region!r}, and AWS has no such Region. {advice}")

    def _of_the_package(self, project: Project) -> Iterator[Problem]:
        given = self._value.get("package")
        if not isinstance(given, str) or not given:
            return
        path = self.repository / given
        built = {default_package(project, self.repository, each) for each in ARCHITECTURES}
        command = f"analysis-jobs package {self._value.get('project', '')}".strip()
        if path.suffix == ".zip":
            manifest = Path(given).with_suffix(".json").as_posix()
            message = f"package is {given!r}. Name the manifest beside the zip: {manifest}."
        elif not path.is_file() and path not in built:
            near = nearest(path.name, sorted({*(each.name for each in built), *_files_in(path.parent)}))
            advice = f"Did you mean {(Path(given).parent / near).as_posix()}?" if near else f"Build it: `{command}`."
            message = f"there is no package {given}. {advice} Without `package`, the one that is built is deployed."
        else:
            return
        yield self.document.problem(("package",), message)

    def _of_other_environments(self) -> Iterator[Problem]:
        """Find an environment with the same state or stack: a copy of the file in which one value was not changed."""
        mine = _identity(self.name, self._value)
        for name, files in files_of(self.repository).items():
            if name in {self.name, LOCAL} or self.name == LOCAL:
                continue
            try:
                other = Document.read(files[0]).value
            except (SyntaxProblemError, OSError):
                continue
            theirs = _identity(name, other if isinstance(other, dict) else {})
            if mine["bucket"] != theirs["bucket"]:
                continue  # different accounts, or different stacks by intention
            where = "If they are in different accounts, name the bucket of each in state.bucket."
            if mine["key"] and mine["key"] == theirs["key"]:
                message = f"state.key is that of the environment {name}: each would destroy the other's stack. {where}"
                yield self.document.problem(("state", "key"), message)
            if mine["stack"][0] and mine["stack"] == theirs["stack"]:
                message = f"the environment {name} has the same name in the same Region. Choose another. {where}"
                yield self.document.problem(("name",), message)

    def _default_package(self, project: Project, architecture: str) -> Path:
        inside = project.folder != self.repository
        folder = self.repository / DIST if inside else project.folder / DIST
        return folder / f"{project.name}-{architecture}.json"


def _takes_region(root: Path) -> bool:
    return "region" in RootInterface.read(root).variables


def _identity(environment: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes an environment different from the others: its state, and the name of its stack."""
    state = value.get("state")
    state = state if isinstance(state, dict) else {}
    return {
        "bucket": state.get("bucket"),
        "key": state.get("key", f"/{environment}"),
        "stack": (value.get("name"), value.get("region")),
    }


def _regions() -> list[str]:
    """Return the Regions of all partitions, as this version of boto3 knows them."""
    import boto3  # noqa: PLC0415 - takes long to import, and only this needs it

    session = boto3.Session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("lambda", partition_name=partition)
    ]


def _folders(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def _files_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob("*.json")) if folder.is_dir() else []


def _relative(path: Path, repository: Path) -> str:
    return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else str(path)
