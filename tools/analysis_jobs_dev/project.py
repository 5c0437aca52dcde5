"""Reads a project: a folder with a `pyproject.toml` that has a table `[tool.analysis-jobs]`.

    [project]
    name = "letters"
    version = "1.0.0"
    dependencies = ["analysis-jobs"]

    [tool.analysis-jobs]
    analyses = ["letter_summary"]  # the modules that declare the analyses

Every other key of the table has a default. `Table` documents them.
"""

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

FILE = "pyproject.toml"
TABLE = "tool.analysis-jobs"
RUNTIME = "3.13"
LIBRARY = canonicalize_name("analysis-jobs")
# Extras of the library that a project does not choose. `aws`, `pdf` and `worker` are in every package. The others are
# for people and tests, and in no package.
NOT_CHOSEN = frozenset({"aws", "cli", "dev", "pdf", "testing", "worker"})
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_EXAMPLES = {
    "allow": '[{ rule = "stub", file = "letters.py", reason = "…" }]',
    "analyses": '["letter_summary"]',
    "answers": '"answers.toml"',
    "aws_services": '["rekognition"]',
    "data": '["prompts/*.toml"]',
    "documents": '"documents"',
    "extras": '["ocr"]',
    "infra": '"infra"',
    "packages": '["letters"]',
    "prompts": '"prompts"',
    "size_mb": "40",
    "source": '"src"',
}


class Allowed(BaseModel):
    """A problem of a package that the project allows, and why."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    rule: Literal["development", "file", "native", "secret", "stub"]
    file: str
    reason: Annotated[str, Field(min_length=10)]


class ProjectError(Exception):
    """The project's description is missing or wrong. The message names the file, the field and the fix."""


@dataclass(frozen=True)
class Project:
    """A project, as its `pyproject.toml` describes it. All paths are absolute.

    `infra`, `prompts`, `documents` and `answers` are None if they are not there. `version` is None if `[project]` has
    none. `requirements` are the dependencies of `[project]` except `analysis-jobs` itself. `extras` are the library's
    extras of the table, and those of a dependency such as `analysis-jobs[ocr]`. `size_mb` is the project's own limit of
    the zip, in MB of 2**20 bytes.
    """

    folder: Path
    name: str
    version: str | None
    requirements: tuple[Requirement, ...]
    analyses: tuple[str, ...]
    extras: tuple[str, ...]
    allow: tuple[Allowed, ...]
    size_mb: float | None
    aws_services: tuple[str, ...]
    packages: tuple[str, ...] | None
    data: tuple[str, ...] | None
    source: Path
    infra: Path | None
    prompts: Path | None
    documents: Path | None
    answers: Path | None

    @property
    def file(self) -> Path:
        """The project's `pyproject.toml`."""
        return self.folder / FILE


def _relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or "\\" in path or ".." in parts:
        raise ValueError("give a path within the project, with forward slashes")
    return path


def _module(path: str) -> str:
    if not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"{path!r} is not the import path of a module, such as letter_summary or letters.summary")
    return path


type _Path = Annotated[str, AfterValidator(_relative)]


class Table(BaseModel):
    """The table `[tool.analysis-jobs]`. Paths are relative to the project's folder.

    Args:
        allow: Problems that do not stop a build, each with `rule`, `file` and `reason`. See `packager.gate`.
        analyses: Import paths of the modules that declare analyses.
        answers: The scripted answers of the local cloud. Default: `answers.toml`, if it is there.
        aws_services: AWS services that the code calls, in addition to those of the library.
        data: Patterns of files that the package contains in addition to the code, relative to `source`. Default: the
            files inside the packages, and the files in `prompts`.
        documents: The folder of sample documents. Default: `documents`, if it is there.
        extras: Extras of the library that the package contains.
        infra: The folder of the Terraform root. Default: `infra`, if it is there.
        packages: The top-level modules and packages to take from `source`. Default: all except tests.
        prompts: The folder of prompts. Default: `prompts`, if it is there.
        size_mb: A limit of the zip, in MB of 2**20 bytes. Default: only Lambda's limits.
        source: The folder of the code. Default: the project's folder.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    allow: list[Allowed] = []
    analyses: Annotated[list[Annotated[str, AfterValidator(_module)]], Field(min_length=1)]
    answers: _Path | None = None
    aws_services: list[str] = []
    data: list[_Path] | None = None
    documents: _Path | None = None
    extras: list[str] = []
    infra: _Path | None = None
    packages: list[Annotated[str, AfterValidator(_module)]] | None = None
    prompts: _Path | None = None
    size_mb: Annotated[float, Field(gt=0)] | None = None
    source: _Path = "."


def load(folder: Path) -> Project:
    """Return the project in `folder`. Raises `ProjectError` if its description is missing or wrong."""
    return _Reader.open(folder).project()


@dataclass(frozen=True)
class _Reader:
    folder: Path
    content: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Self:
        path = folder / FILE
        if not folder.is_dir():
            raise ProjectError(f"There is no folder {folder}: give the folder of a project.")
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ProjectError(
                f"{folder} is not a project: it has no {FILE}. Create a project with `analysis-jobs init NAME`, or add "
                f"{FILE} with [project] and [{TABLE}]."
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProjectError(f"{path} is not TOML: {error}.") from None
        return cls(folder.resolve(), content)

    def project(self) -> Project:
        metadata, table = self._metadata(), self._table()
        named, requirements = self._requirements(metadata)
        source = self._folder("source", table.source)
        self._require_modules(source, table.analyses)
        return Project(
            folder=self.folder,
            name=metadata["name"],
            version=metadata.get("version"),
            requirements=requirements,
            analyses=tuple(dict.fromkeys(table.analyses)),
            extras=tuple(sorted({*table.extras, *named})),
            allow=tuple(table.allow),
            size_mb=table.size_mb,
            aws_services=tuple(sorted(set(table.aws_services))),
            packages=None if table.packages is None else tuple(table.packages),
            data=None if table.data is None else tuple(table.data),
            source=source,
            infra=self._optional("infra", table.infra, "infra"),
            prompts=self._optional("prompts", table.prompts, "prompts"),
            documents=self._optional("documents", table.documents, "documents"),
            answers=self._optional("answers", table.answers, "answers.toml"),
        )

    def _metadata(self) -> dict[str, Any]:
        metadata = self.content.get("project")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise self._error('[project] needs a name, such as name = "letters". The package gets this name')
        if not _NAME.fullmatch(metadata["name"]):
            raise self._error(
                f"project.name is {metadata['name']!r}; give letters, digits, hyphens, dots and underscores, such as "
                '"letters"'
            )
        if not isinstance(metadata.get("version", ""), str):
            raise self._error('project.version must be a text, such as "1.0.0"')
        wanted = metadata.get("requires-python", "")
        try:
            allowed = SpecifierSet(wanted)
        except InvalidSpecifier:
            raise self._error(f'project.requires-python is {wanted!r}; give versions, such as ">={RUNTIME}"') from None
        if not any(allowed.contains(f"{RUNTIME}.{patch}") for patch in range(100)):
            raise self._error(
                f"project.requires-python is {wanted!r}, and the functions run on Python {RUNTIME}. Include it, for "
                f'example with ">={RUNTIME}"'
            )
        return metadata

    def _table(self) -> Table:
        tool = self.content.get("tool", {})
        if "analysis-jobs" not in tool:
            raise self._error(
                f"the table [{TABLE}] is missing. Add it with the modules of your analyses: analyses = "
                f"{_EXAMPLES['analyses']}"
            )
        try:
            return Table.model_validate(tool["analysis-jobs"])
        except ValidationError as error:
            raise self._error("\n  ".join(_explained(each) for each in error.errors())) from None

    def _requirements(self, metadata: dict[str, Any]) -> tuple[set[str], tuple[Requirement, ...]]:
        """Return the extras of a dependency on the library, and the other dependencies."""
        dependencies = metadata.get("dependencies", [])
        if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
            raise self._error('project.dependencies must be a list, such as ["analysis-jobs", "httpx"]')
        try:
            found = [Requirement(each) for each in dependencies]
        except InvalidRequirement as error:
            raise self._error(f"project.dependencies has an entry that is not a requirement: {error}") from None
        own = [each for each in found if canonicalize_name(each.name) == LIBRARY]
        extras = {extra for each in own for extra in each.extras} - NOT_CHOSEN
        return extras, tuple(each for each in found if each not in own)

    def _folder(self, key: str, path: str) -> Path:
        found = (self.folder / path).resolve()
        if not found.is_dir():
            raise self._error(f"{TABLE}.{key} is {path!r}, and there is no such folder{self._nearest_path(path)}")
        return found

    def _optional(self, key: str, path: str | None, default: str) -> Path | None:
        found = self.folder / (path or default)
        if path is None:
            return found.resolve() if found.exists() else None
        if key == "answers" and not found.is_file():
            raise self._error(f"{TABLE}.{key} is {path!r}, and there is no such file{self._nearest_path(path)}")
        return found.resolve() if key == "answers" else self._folder(key, path)

    def _require_modules(self, source: Path, analyses: list[str]) -> None:
        for module in analyses:
            at = source.joinpath(*module.split("."))
            if at.with_suffix(".py").is_file() or (at / "__init__.py").is_file():
                continue
            raise self._error(
                f"{TABLE}.analyses names {module!r}, and {self._relative_to_folder(source)} has no such module"
                f"{self._advice_on_module(source, module)}"
            )

    def _advice_on_module(self, source: Path, module: str) -> str:
        path = Path(*module.split("."))
        elsewhere = self.folder / "src"
        if source != elsewhere and (
            (elsewhere / path).with_suffix(".py").is_file() or (elsewhere / path / "__init__.py").is_file()
        ):
            return '; it is in src: add source = "src"'
        return _nearest(module, sorted(modules_of(source)))

    def _nearest_path(self, path: str) -> str:
        return _nearest(path, sorted(each.name for each in self.folder.iterdir() if not each.name.startswith(".")))

    def _relative_to_folder(self, path: Path) -> str:
        return "the project's folder" if path == self.folder else path.relative_to(self.folder).as_posix()

    def _error(self, why: str) -> ProjectError:
        return ProjectError(f"{self.folder / FILE}: {why}{'' if why.endswith('?') else '.'}")


def modules_of(source: Path) -> set[str]:
    """Return the import paths of the modules in the folder `source`."""
    found = set()
    for folder, folders, files in source.walk():
        # Folders with other names are not packages: hidden folders, environments.
        folders[:] = [name for name in folders if name.isidentifier() and not (folder / name / "pyvenv.cfg").exists()]
        above = folder.relative_to(source).parts
        for path in map(Path, files):
            if path.suffix == ".py" and path.stem.isidentifier():
                found.add(".".join(above if path.stem == "__init__" else (*above, path.stem)))
    return found - {""}


def normalized(project: Project) -> NormalizedName:
    """Return the normalized name of the project's distribution."""
    return canonicalize_name(project.name)


def _explained(error: ErrorDetails) -> str:
    """Return the sentence for one error of pydantic."""
    key = str(error["loc"][0]) if error["loc"] else ""
    if key == "allow" and len(error["loc"]) > 1:
        return f"{TABLE}.{'.'.join(map(str, error['loc']))}: {error['msg']}. An entry is {_EXAMPLES[key][1:-1]}"
    match error["type"]:
        case "extra_forbidden":
            near = _nearest(key, sorted(Table.model_fields))
            return f"{TABLE} has the unknown key {key!r}. Its keys are {', '.join(sorted(Table.model_fields))}{near}"
        case "missing":
            return f"{TABLE} lacks {key}: name the modules of your analyses, such as {key} = {_EXAMPLES[key]}"
        case "value_error":
            return f"{TABLE}.{key}: {error['ctx']['error']}"
        case _ if key in _EXAMPLES:
            kind = {"[": "a list of texts", '"': "a text"}.get(_EXAMPLES[key][0], "a number above 0")
            return f"{TABLE}.{key} must be {kind}, such as {key} = {_EXAMPLES[key]}"
        case _:
            return f"[{TABLE}] must be a table with analyses = {_EXAMPLES['analyses']}"


def _nearest(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
