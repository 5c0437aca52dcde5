"""Collects the sources of a package: the handlers, the library, and the analyses with their data files."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis_jobs_dev.packager import services
from analysis_jobs_dev.packager.errors import PackageError

# Folders beside an analysis that are not part of it. Deeper folders of these names may be Python packages.
NOT_PACKAGED = {"documents", "recordings", "tests"}
# The test kit. It runs in the tests of an analysis, never in a function.
TEST_KIT = ("analysis_jobs", "testing")
NOT_PACKAGED_SUFFIXES = {".md", ".pyc", ".tf"}


@dataclass(frozen=True)
class Sources:
    """The sources of one package.

    `name` is used in file names. The `*.py` files and subfolders of `handlers` and `analyses` go to the zip's root.
    `lock` has the dependencies of every package; `extras` (name -> lock) has those of this package only.
    `named_services` are the AWS services that it calls in addition to those of every package.
    """

    name: str
    handlers: Path
    analyses: Path
    lock: Path
    extras: Mapping[str, Path] = field(default_factory=dict)
    named_services: frozenset[str] = frozenset()

    @property
    def locks(self) -> list[Path]:
        """All locks of the package, to install together."""
        return [self.lock, *(self.extras[extra] for extra in sorted(self.extras))]

    @property
    def aws_services(self) -> frozenset[str]:
        """The AWS services that the package can call."""
        return services.OF_EVERY_PACKAGE | self.named_services

    def files(self) -> dict[str, Path]:
        """Return the files of the zip (name in the zip -> file). Raises `PackageError` for a duplicate name."""
        found: dict[str, Path] = {}
        for folder in (self.handlers, self.analyses):
            if not folder.is_dir():
                raise PackageError(f"There is no folder {folder}: give an existing one.")
            for name, path in _packaged(folder):
                if name in found:
                    raise PackageError(f"{name} is there twice: {found[name]} and {path}. Rename one of them.")
                found[name] = path
        return found

    def modules(self) -> list[str]:
        """Return the top-level modules that must be importable: the handlers and the modules of the analyses."""
        return sorted(
            path.stem for at in (self.handlers, self.analyses) for path in at.glob("*.py") if not _is_test(path)
        )


def copy(files: dict[str, Path], tree: Path) -> None:
    """Copy `files` (name -> file) into the folder `tree`."""
    for name, path in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tree / name)


def _packaged(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_dir() or hidden or inside.parts[0] in NOT_PACKAGED or "__pycache__" in inside.parts:
            continue
        if _is_test(path) or inside.parts[:2] == TEST_KIT:
            continue
        beside_the_code = len(inside.parts) == 1 and path.suffix != ".py"
        if not beside_the_code and path.suffix not in NOT_PACKAGED_SUFFIXES:
            yield inside.as_posix(), path


def _is_test(path: Path) -> bool:
    return path.name == "conftest.py" or (path.name.startswith("test_") and path.suffix == ".py")
