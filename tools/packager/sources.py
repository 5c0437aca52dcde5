"""Our own part of a package: the handlers, the library, and the analyses with their data."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packager import services
from packager.errors import PackageError

# Beside an analysis, and not part of it: documents to try it on, its tests. Within a package of ours it is code.
NOT_PACKAGED = {"documents", "tests"}
NOT_PACKAGED_SUFFIXES = {".md", ".pyc", ".tf"}


@dataclass(frozen=True)
class Sources:
    """What a package is made of.

    `name` goes into file names; `handlers` and `analyses` are folders, their `*.py` and the folders
    below them end up at the root of the zip; `lock` names the dependencies that every package has, `extras` (name ->
    lock) those that only this one has; `named_services` are AWS services that it can call beside those of every one.
    """

    name: str
    handlers: Path
    analyses: Path
    lock: Path
    extras: Mapping[str, Path] = field(default_factory=dict)
    named_services: frozenset[str] = frozenset()

    @property
    def locks(self) -> list[Path]:
        """The locks to install together."""
        return [self.lock, *(self.extras[extra] for extra in sorted(self.extras))]

    @property
    def aws_services(self) -> frozenset[str]:
        """The AWS services that the package can call."""
        return services.OF_EVERY_PACKAGE | self.named_services

    def files(self) -> dict[str, Path]:
        """Return name in the zip -> file. Raises PackageError for a name that is there twice."""
        found: dict[str, Path] = {}
        for folder in (self.handlers, self.analyses):
            if not folder.is_dir():
                raise PackageError(f"There is no folder {folder}.")
            for name, path in _packaged(folder):
                if name in found:
                    raise PackageError(f"{name} is there twice: {found[name]} and {path}.")
                found[name] = path
        return found

    def modules(self) -> list[str]:
        """Return the modules that must import: each handler, each module of the analyses."""
        return sorted(path.stem for at in (self.handlers, self.analyses) for path in at.glob("*.py"))


def copy(files: dict[str, Path], tree: Path) -> None:
    """Copy `files` (name -> file) below `tree`."""
    for name, path in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tree / name)


def _packaged(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_dir() or hidden or inside.parts[0] in NOT_PACKAGED or "__pycache__" in inside.parts:
            continue
        beside_the_code = len(inside.parts) == 1 and path.suffix != ".py"
        if not beside_the_code and path.suffix not in NOT_PACKAGED_SUFFIXES:
            yield inside.as_posix(), path
