"""Builds the deployment package of a project: `python -m analysis_jobs_dev.package PROJECT --out dist`.

`packager` documents what a package contains, and what is refused. A manifest (JSON) is written beside each zip.
"""

import argparse
import sys
import time
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from analysis_jobs_dev import places
from analysis_jobs_dev.check_call import Finding, check
from analysis_jobs_dev.packager import ARM64, HOST, X86_64, Library, Manifest, PackageError, Sources, build
from analysis_jobs_dev.packager.refusals import DIRECT_UPLOAD_LIMIT
from analysis_jobs_dev.packager.sources import left_out
from analysis_jobs_dev.project import Project, ProjectError, load

TARGETS = {"arm64": ARM64, "x86_64": X86_64, "host": HOST}
DEFAULT_ARCHITECTURES = ("arm64", "x86_64")
OUT = "dist"


def library() -> Library:
    """Return the library of this installation, as packages contain it."""
    requirements = places.requirements()
    return Library(
        handlers=places.handlers(),
        code=places.library(),
        lock=requirements / "package.txt",
        extras=requirements / "extras",
        version=places.version(),
        commit=places.commit(),
        requirements=_requirements(),
    )


def sources(project: Project) -> Sources:
    """Return the sources of a project's package. Raises `PackageError` for an unknown extra or AWS service."""
    return Sources(project, library())


def example(name: str) -> Project:
    """Return the project of an example. Raises `ProjectError` if there is no such example."""
    examples = places.examples()
    if examples is None:
        raise ProjectError("This installation has no examples: give the folder of a project.")
    return load(examples / name)


def package(
    project: Project, architectures: Sequence[str] = DEFAULT_ARCHITECTURES, *, out: Path | None = None
) -> list[Manifest]:
    """Build the package of a project for each architecture (a key of `TARGETS`), and return the manifests.

    `out` is the folder of the zips and manifests, by default `dist` in the project. Raises `PackageError`.
    """
    refuse_misspelt_settings(project)
    return build(sources(project), [TARGETS[name] for name in architectures], out=out or project.folder / OUT)


def refuse_misspelt_settings(project: Project) -> None:
    """Raise `PackageError` if the project's Terraform has a setting that the module does not have."""
    misspelt = [str(finding) for finding in _findings(project) if finding.is_certain]
    if misspelt:
        raise PackageError("\n".join(misspelt))


def _findings(project: Project) -> list[Finding]:
    return check(project.infra) if project.infra else []


def notices(project: Project) -> list[str]:
    """Return what somebody who builds the package should look at.

    These are data files that the code names, and that are missing in the package, and Terraform that cannot be checked.
    """
    unread = [str(finding) for finding in _findings(project) if not finding.is_certain]
    return unread + [
        f"{file} is not in the package, and {place} names it. If the code reads it, add it to `data` in pyproject.toml."
        for file, place in left_out(project).items()
    ]


def summary(manifest: Manifest, out: Path) -> str:
    """Return a line about a built package."""
    files = manifest.files
    zipped_mb, unzipped_mb = manifest.size_bytes / 1e6, files.unzipped_bytes / 1e6
    size = f"{zipped_mb:.1f} MB, {unzipped_mb:.1f} MB unzipped, {files.count} files"
    from_s3 = "; over 50 MB, so it must be deployed from S3" if manifest.size_bytes > DIRECT_UPLOAD_LIMIT else ""
    return f"{out / manifest.path}  {size}, version {manifest.version}{from_s3}"


def main(arguments: list[str] | None = None) -> int:
    """Build the packages, print a line for each, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path, nargs="?", default=Path(), help="folder of the project (default: here)")
    parser.add_argument(
        "--architecture",
        action="append",
        choices=TARGETS,
        help="architecture to build for; repeatable (default: arm64 and x86_64)",
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default: dist in the project)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        project = load(options.project)
        out = options.out or project.folder / OUT
        manifests = package(project, options.architecture or DEFAULT_ARCHITECTURES, out=out)
    except (PackageError, ProjectError) as error:
        print(error, file=sys.stderr)
        return 1
    for notice in notices(project):
        print(notice, file=sys.stderr)
    for manifest in manifests:
        print(summary(manifest, out))
    print(f"Built in {time.monotonic() - started:.1f} s")
    return 0


def _requirements() -> tuple[Requirement, ...]:
    """Return the requirements of this distribution, with the markers of its extras."""
    checkout = places.repository()
    if checkout is None:
        found = list(map(Requirement, metadata.requires(places.DISTRIBUTION) or ()))
    else:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        found = list(map(Requirement, project["dependencies"]))
        for extra, requirements in project["optional-dependencies"].items():
            for requirement in map(Requirement, requirements):
                requirement.marker = Marker(f'extra == "{extra}"')
                found.append(requirement)
    # A package contains the client's libraries only with the extra, although the base of the distribution has them.
    clients = {each.name for each in found if each.marker == Marker('extra == "client"')}
    return tuple(
        each
        for each in found
        if canonicalize_name(each.name) != places.DISTRIBUTION and (each.marker or each.name not in clients)
    )


if __name__ == "__main__":
    sys.exit(main())
