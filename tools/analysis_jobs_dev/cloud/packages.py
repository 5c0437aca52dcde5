"""Builds the packages of examples, or of a project, for this machine."""

import hashlib
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from analysis_jobs_dev import packager
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.package import example, refuse_misspelt_settings, sources
from analysis_jobs_dev.packager import HOST, Manifest, PackageError, Sources, build, manifest
from analysis_jobs_dev.project import Project, ProjectError

# A build mostly waits for another process: two at a time keep two processors busy.
AT_ONCE = 2


@dataclass(frozen=True)
class Built(Manifest):
    """The manifest of a package, and the folder that both are in."""

    folder: Path

    @classmethod
    def of(cls, described: Manifest, folder: Path) -> "Built":
        """Return the package that is in the folder."""
        return cls(**vars(described), folder=folder.resolve())

    def file(self) -> Path:
        """Return the path of the zip."""
        return self.folder / self.path

    def manifest(self) -> Path:
        """Return the path of the manifest."""
        return self.folder / self.name


def packages(examples: Sequence[str], folder: Path) -> dict[str, Built]:
    """Build each example's package into the folder; return them by example.

    A package in the folder is used again while its sources are the same. Raises CloudError with the errors of the
    build.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return dict(
                zip(examples, pool.map(lambda name: _package(sources(example(name)), folder), examples), strict=True)
            )
        except (PackageError, ProjectError) as error:
            raise CloudError(str(error)) from error


def package_of(project: Project, folder: Path) -> Built:
    """Build the project's package into the folder, as `packages` does. Raises CloudError."""
    try:
        refuse_misspelt_settings(project)
        return _package(sources(project), folder)
    except PackageError as error:
        raise CloudError(str(error)) from error


def _package(what: Sources, folder: Path) -> Built:
    fingerprint, built_from = _fingerprint(what), folder / f"{what.name}.sources"
    if built_from.exists() and built_from.read_text("utf-8") == fingerprint:
        return Built.of(manifest.read(folder / f"{what.name}-{HOST.name}.json"), folder)
    built_from.unlink(missing_ok=True)
    [package] = build(what, [HOST], out=folder)
    built_from.write_text(fingerprint, "utf-8")
    return Built.of(package, folder)


def _fingerprint(what: Sources) -> str:
    """Return a hash of everything that decides the content of a package."""
    digest = hashlib.sha256(f"{HOST} {platform.python_version()} {sorted(what.aws_services)}".encode())
    files = what.files()
    programs = sorted(Path(packager.__file__).parent.glob("*.py"))
    for name, path in [*files.items(), *((path.name, path) for path in [*what.inputs, *programs])]:
        content = path.read_bytes()
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
