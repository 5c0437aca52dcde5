"""The steps of a build."""

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import (
    archive,
    clients,
    declarations,
    dependencies,
    gate,
    locks,
    refusals,
    services,
    sources,
)
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.packager.dependencies import Dependencies
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.gate import Problem
from analysis_jobs_dev.packager.imports import require_importable, require_same_modules
from analysis_jobs_dev.packager.leftovers import leftovers
from analysis_jobs_dev.packager.locks import Lock
from analysis_jobs_dev.packager.manifest import Manifest, describe
from analysis_jobs_dev.packager.natives import natives
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.packager.stubs import stubs
from analysis_jobs_dev.packager.targets import HOST, Target, require_runtime
from analysis_jobs_dev.project import LIBRARY

# Extras of the library that every package contains.
EVERY_PACKAGE = ("aws", "pdf", "worker")


def build(what: Sources, targets: list[Target], *, out: Path, cache: Path | None = None) -> list[Manifest]:
    """Build `out/<name>-<architecture>.zip` and its manifest for each target.

    The installed dependencies are cached in `cache` (default: the folder `packages` of `places.cache()`). A failed
    build leaves nothing in `out`.
    Raises `PackageError`; its message names the fix.
    """
    require_runtime()
    cache = cache or places.cache() / "packages"
    files = what.files()
    problems = source_problems(what, files)
    lock = locks.of_project(what.project, what.library.version)
    with tempfile.TemporaryDirectory() as temporary:
        work = _Build(what, lock, cache, Path(temporary))
        own = work.compiled(files)
        # Imports can be tested only with a package for this machine. The others contain the same sources.
        built = {target: work.assemble(own, target) for target in dict.fromkeys([HOST, *targets])}
        for target in targets:
            require_same_modules(built[HOST], built[target], files)
        problems += [each for target in targets for each in natives(built[target], target.name)]
        gate.refuse(what.project, problems)
        gate.refuse_unused(what.project, problems)
        services.require_carried(built[HOST], what.aws_services, files)
        declared = work.declared(built[HOST], files)
        out.mkdir(parents=True, exist_ok=True)
        manifests = []
        for target in targets:
            package = out / built[target].name
            # Copied, not moved: the temporary folder may be on another disk.
            package.write_bytes(built[target].read_bytes())
            manifests.append(describe(package, target.name, what, declared))
        for manifest in manifests:
            manifest.write(out)
    return manifests


def source_problems(what: Sources, files: Mapping[str, Path]) -> list[Problem]:
    """Return the problems in the project's sources that the project allows. Raises `PackageError` for all others.

    `files` are searched for development code. They are the project's own, perhaps with the library.
    """
    refusals.development_code(files)
    own = what.project_files()
    problems = [*stubs(own), *leftovers(own)]
    gate.refuse(what.project, problems)
    return problems


@dataclass(frozen=True)
class _Build:
    """One build. `folder` is temporary."""

    what: Sources
    lock: Lock | None
    cache: Path
    folder: Path

    def compiled(self, files: Mapping[str, Path]) -> dict[str, Path]:
        """Copy the sources and compile them. Return all files (name in the zip -> file)."""
        tree = self.folder / "tree"
        sources.copy(files, tree)
        archive.compile_tree(tree)
        return {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}

    def assemble(self, own: Mapping[str, Path], target: Target) -> Path:
        """Write the zip for a target, from its dependencies and the files `own`. Return its path."""
        what = self.what
        base = dependencies.zipped(self._dependencies(target), self.cache)
        if clashes := archive.names(base) & own.keys():
            raise PackageError(f"Both ours and a dependency's: {', '.join(sorted(clashes))}.")
        package = self.folder / f"{what.name}-{target.name}.zip"
        archive.write(package, own, base=base)
        refusals.development_packages(package)
        refusals.too_large(package, what.project.size_mb)
        return package

    def declared(self, package: Path, files: Mapping[str, Path]) -> Declarations:
        """Test the imports of the finished zip, and return what its code declares."""
        tree = self.folder / "unpacked"
        with zipfile.ZipFile(package) as zipped:
            zipped.extractall(tree)
        require_importable(tree, self.what, files)
        return Declarations(
            analyses=declarations.read(tree, self.what),
            secrets=declarations.secrets(self.what.project_files()),
            ocr_languages=declarations.ocr_languages(package),
        )

    def _dependencies(self, target: Target) -> Dependencies:
        """Return the locked dependencies for a target. Raises `PackageError` if they contradict each other."""
        what, lock = self.what, self.lock
        pins = locks.merged(map(locks.read, what.library_locks), lock, target, what.library.version)
        own = {what.name: what.project.requirements, LIBRARY: what.library.requirements}
        locks.require_consistent(pins, own, target, (*EVERY_PACKAGE, *what.extras))
        options = tuple(lock.options()) if lock else ()
        found = Dependencies(pins, target, what.aws_services, options, what.project.folder)
        required = dependencies.required(dependencies.zipped(found, self.cache))
        if among := clients.candidates(what, lock, target):
            left_out = clients.unneeded(among, pins, required, what.project.requirements, target)
            pins = {name: pin for name, pin in pins.items() if name not in left_out}
            found = replace(found, pins=pins)
            required = dependencies.required(dependencies.zipped(found, self.cache))
        locks.require_consistent(pins, required, target)
        return found
