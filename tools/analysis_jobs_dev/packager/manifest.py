"""The manifest beside a package: its hash, size, versions and content, and what its code declares."""

import base64
import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis_jobs_dev.packager import services
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.packager.dependencies import distributions
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.packager.targets import RUNTIME

# The Terraform module reads manifests of this format. Raise it if the meaning of a field changes.
FORMAT = 1


@dataclass(frozen=True)
class FileCounts:
    """Number of files, and their size in bytes when unzipped."""

    count: int
    unzipped_bytes: int


@dataclass(frozen=True)
class Origin:
    """A version and a commit. `commit` is None outside git and ends in "-dirty" if there were uncommitted changes."""

    name: str
    version: str | None
    commit: str | None


@dataclass(frozen=True)
class Manifest:
    """The JSON file beside a zip. The Terraform module takes its path as `package.manifest`.

    The same sources give the same manifest, in any folder and on any machine. `path` is relative to the manifest: the
    name of the zip. `size_bytes` is the size of the zip; over `refusals.DIRECT_UPLOAD_LIMIT` it can be deployed from S3
    only. `version` is the project's version and the beginning of the hash: it depends on the content alone, so a commit
    that changes no code changes no function. `python` is the version that the bytecode is for. `aws_services` are the
    services that boto3 can call from this package.
    """

    format: int
    path: str
    sha256: str
    sha256_base64: str
    size_bytes: int
    architecture: str
    python: str
    version: str
    project: Origin
    library: Origin
    extras: list[str]
    declarations: Declarations
    files: FileCounts
    distributions: dict[str, str]
    aws_services: list[str]

    @property
    def name(self) -> str:
        """The name of the manifest's own file."""
        return f"{self.path.removesuffix('.zip')}.json"

    def write(self, folder: Path) -> Path:
        """Write the manifest into the folder of its package and return its path."""
        path = folder / self.name
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return path


def read(path: Path) -> Manifest:
    """Return a written manifest. Raises `KeyError` or `TypeError` for that of another version of this program."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    parts = {
        "project": Origin(**content["project"]),
        "library": Origin(**content["library"]),
        "declarations": Declarations(**content["declarations"]),
        "files": FileCounts(**content["files"]),
    }
    return Manifest(**{**content, **parts})


def describe(package: Path, architecture: str, what: Sources, declared: Declarations) -> Manifest:
    """Return the manifest of a finished zip."""
    content = package.read_bytes()
    digest = hashlib.sha256(content)
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    return Manifest(
        format=FORMAT,
        path=package.name,
        sha256=digest.hexdigest(),
        sha256_base64=base64.b64encode(digest.digest()).decode(),
        size_bytes=len(content),
        architecture=architecture,
        python=".".join(map(str, RUNTIME)),
        version=f"{what.project.version or '0'}+{digest.hexdigest()[:12]}",
        project=Origin(what.name, what.project.version, project_commit(what)),
        library=Origin("analysis-jobs", what.library.version, what.library.commit),
        extras=list(what.extras),
        declarations=declared,
        files=FileCounts(len(entries), sum(entry.file_size for entry in entries)),
        distributions=distributions(package),
        aws_services=services.carried(package),
    )


def project_commit(what: Sources) -> str | None:
    """Return the commit of the project, or None outside git.

    It ends in "-dirty" if a file of the package, its description or its lock has uncommitted changes. Other files, such
    as the built package itself, do not count.
    """
    folder = what.project.folder
    head = _git(folder, "rev-parse", "HEAD").strip()
    if not head:
        return None
    inputs = {*what.project_files().values(), *what.inputs}
    changed = {(folder / name).resolve() for name in _changed(folder)}
    return head + ("-dirty" if changed & {path.resolve() for path in inputs} else "")


def _changed(folder: Path) -> Iterable[str]:
    """Return the files below `folder` with uncommitted changes, relative to it."""
    for arguments in (("diff", "--name-only", "HEAD"), ("ls-files", "--others", "--exclude-standard")):
        relative = ("--relative",) if arguments[0] == "diff" else ()
        yield from filter(None, _git(folder, *arguments, *relative, "-z", "--", ".").split("\0"))


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints. Empty without git, or outside of a repository."""
    try:
        said = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout
