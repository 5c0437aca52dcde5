"""Collects the sources of a package: the handlers, the library, and a project's code with its data files."""

import ast
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement

from analysis_jobs_dev.packager import services
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.project import Project

LIBRARY_PACKAGES = ("analysis_jobs", "document_reader")
# Parts of the library for people and tests. No package contains them.
NOT_DEPLOYED = ("analysis_jobs/cli", "analysis_jobs/moving", "analysis_jobs/testing")
# Code and folders beside an analysis that are not part of it.
_TEST_CODE = ("conftest.py", "test_*.py", "*_test.py")
_TEST_FOLDERS = {"test", "tests"}
_TOOLS = {"noxfile.py", "setup.py"}
# Files that are never data: what Python writes, texts for readers, Terraform.
_NOT_DATA = ("*.py", "*.pyc", "*.pyi", "CHANGELOG*", "LICENSE*", "README*", "*.tf", "*.tfvars", "*.tfstate*")
# Files that may be secrets. The default takes none of them, and `data` must not name the first ones.
_SECRET = (".env*", "*.tfstate*", "*.tfvars", "*.tfvars.json", "id_rsa*", "secrets.*")
_KEY_FILES = ("*.key", "*.p12", "*.pem", "*.pfx")
_PRIVATE_KEY = b"PRIVATE KEY-----"


@dataclass(frozen=True)
class Library:
    """The part of a package that is the same for all projects.

    `handlers` is the folder of the entry points, `code` that of the packages `packages`. `lock` has the dependencies of
    every package; the folder `extras` has a lock for each extra. `requirements` are the library's own requirements,
    with the markers of its extras, without those on its own extras.
    """

    handlers: Path
    code: Path
    lock: Path
    extras: Path
    version: str
    commit: str | None = None
    packages: tuple[str, ...] = LIBRARY_PACKAGES
    requirements: tuple[Requirement, ...] = ()

    @cached_property
    def known_extras(self) -> list[str]:
        """The extras that a package can have."""
        return sorted(lock.stem for lock in self.extras.glob("*.txt"))

    def files(self) -> dict[str, Path]:
        """Return the files of the library (name in the zip -> file)."""
        found = {path.name: path for path in _checked(self.handlers).glob("*.py")}
        for package in self.packages:
            for path in _below(_checked(self.code / package)):
                name = path.relative_to(self.code).as_posix()
                if path.suffix not in {".md", ".pyc"} and not name.startswith(
                    tuple(f"{part}/" for part in NOT_DEPLOYED)
                ):
                    found[name] = path
        return found


@dataclass(frozen=True)
class Sources:
    """The sources of one package. Raises `PackageError` for an extra or an AWS service that nobody knows."""

    project: Project
    library: Library

    def __post_init__(self) -> None:
        for extra in self.project.extras:
            if extra not in self.library.known_extras:
                near = get_close_matches(extra, self.library.known_extras, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise PackageError(
                    f"{self.project.file}: extras names {extra!r}, which is not an extra of the library.{hint} The "
                    f"extras are {', '.join(self.library.known_extras) or 'none'}."
                )
        services.require_known(self.project)

    @property
    def name(self) -> str:
        """The name of the project. The zip and the manifest get it."""
        return self.project.name

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of the package."""
        return self.project.extras

    @property
    def library_locks(self) -> list[Path]:
        """The library's locks for this package."""
        return [self.library.lock, *(self.library.extras / f"{extra}.txt" for extra in self.extras)]

    @property
    def inputs(self) -> list[Path]:
        """The files beside the code that decide the content of the package: the locks and the project's description."""
        own = [self.project.folder / name for name in ("pyproject.toml", "requirements.txt", "uv.lock")]
        return [*self.library_locks, *(path for path in own if path.is_file())]

    @property
    def aws_services(self) -> frozenset[str]:
        """The AWS services that the package can call."""
        return services.OF_EVERY_PACKAGE | set(self.project.aws_services)

    def files(self) -> dict[str, Path]:
        """Return the files of the zip (name in the zip -> file). Raises `PackageError` for a duplicate name."""
        found = self.library.files()
        for name, path in self.project_files().items():
            if name in found:
                raise PackageError(f"{name} is there twice: {found[name]} and {path}. Rename {path}.")
            found[name] = path
        return found

    def project_files(self) -> dict[str, Path]:
        """Return the project's code and data (name in the zip -> file)."""
        return _ProjectFiles(self.project).found()

    def modules(self) -> list[str]:
        """Return the modules that must be importable: the handlers, the project's top-level modules, the analyses."""
        handlers = [path.stem for path in self.library.handlers.glob("*.py")]
        return sorted({*handlers, *top_level(self.project_files()), *self.project.analyses})


@dataclass(frozen=True)
class _ProjectFiles:
    project: Project

    def found(self) -> dict[str, Path]:
        paths: list[Path] = []
        for top in self._code():
            paths += [top] if top.is_file() else filter(self._belongs_to_package, _below(top))
        if self.project.prompts and self.project.prompts.is_relative_to(self.project.source):
            paths += filter(_is_data, _below(self.project.prompts))
        for pattern in self.project.data or ():
            paths += self._named(pattern)
        return {path.relative_to(self.project.source).as_posix(): path for path in sorted(set(paths))}

    def left_out(self) -> dict[str, str]:
        """Return the files beside the code that the code names and that are left out (file -> place of the name)."""
        source, found = self.project.source, self.found()
        beside = {path.name: path for path in source.iterdir() if path.is_file() and _is_data(path)}
        places: dict[str, str] = {}
        for name, path in found.items():
            if path.suffix != ".py":
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    file = node.value.rpartition("/")[2]
                    if file in beside and file not in found:
                        places.setdefault(file, f"{name}:{node.lineno}")
        return places

    def _code(self) -> Iterator[Path]:
        """Yield the project's top-level modules and packages."""
        source = self.project.source
        if self.project.packages is not None:
            for name in self.project.packages:
                at = source.joinpath(*name.split("."))
                found = next((path for path in (at, at.with_suffix(".py")) if path.exists()), None)
                if found is None:
                    raise PackageError(
                        f"{self.project.file}: packages names {name!r}, and {source} has no such module or package."
                    )
                yield found
            return
        roots = {module.partition(".")[0] for module in self.project.analyses}
        for path in sorted(source.iterdir()):
            if path.is_file() and path.suffix == ".py" and path.name not in _TOOLS and not _is_test(path):
                yield path
            is_package = path.is_dir() and (path.name in roots or (path / "__init__.py").is_file())
            if is_package and path.name not in _TEST_FOLDERS and path != self.project.infra:
                yield path

    def _belongs_to_package(self, path: Path) -> bool:
        inside = path.relative_to(self.project.source).parts
        if _TEST_FOLDERS & set(inside[:-1]):
            return False
        return not _is_test(path) if path.suffix == ".py" else _is_data(path)

    def _named(self, pattern: str) -> list[Path]:
        source = self.project.source
        found = [path for path in source.glob(pattern) if path.is_file() and path.suffix not in {".py", ".pyc"}]
        if not found:
            raise PackageError(
                f"{self.project.file}: data names {pattern!r}, and no file in {source} has such a name. Patterns are "
                'relative to `source`; "**/*.csv" also finds files in subfolders.'
            )
        for path in found:
            hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
            if hidden or _matches(path, _SECRET) or _PRIVATE_KEY in path.read_bytes():
                raise PackageError(
                    f"{self.project.file}: data takes {path.relative_to(source)} with {pattern!r}, which may hold "
                    "secrets: everybody who can read the package can read it. Put secrets into Secrets Manager and "
                    "pass their ARNs with worker.secrets."
                )
        return found


def top_level(files: Iterable[str]) -> list[str]:
    """Return the names of the top-level modules among files, given by their names in the zip."""
    return [name.removesuffix(".py") for name in files if name.endswith(".py") and "/" not in name]


def left_out(project: Project) -> dict[str, str]:
    """Return the data files that the project's code names and its package lacks (file -> place such as `a.py:3`)."""
    return _ProjectFiles(project).left_out()


def copy(files: Mapping[str, Path], tree: Path) -> None:
    """Copy `files` (name -> file) into the folder `tree`."""
    for name, path in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tree / name)


def _checked(folder: Path) -> Path:
    if not folder.is_dir():
        raise PackageError(f"There is no folder {folder}: the library is incomplete. Install it again.")
    return folder


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in inside and not any(part.startswith(".") for part in inside):
            yield path


def _is_test(path: Path) -> bool:
    return _matches(path, _TEST_CODE)


def _is_data(path: Path) -> bool:
    """Tell whether a file may be packaged without being named in `data`."""
    return not path.name.startswith(".") and not _matches(path, (*_NOT_DATA, *_SECRET, *_KEY_FILES))


def _matches(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)
