"""The manifest beside a package: its hash, size, commit and content."""

import base64
import hashlib
import json
import platform
import subprocess
import tomllib
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis_jobs_dev.packager import services
from analysis_jobs_dev.packager.dependencies import distributions

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class FileCounts:
    """Number of files, and their size in bytes when unzipped."""

    count: int
    unzipped_bytes: int


@dataclass(frozen=True)
class Manifest:
    """The JSON file beside a zip. The Terraform module takes it as its `package`.

    `path` is relative to the repository if the zip is in it. `size_bytes` is the size of the zip; over
    `refusals.DIRECT_UPLOAD_LIMIT` it can be deployed from S3 only. `version` depends on the content alone, so a commit
    that changes no code changes no function. `commit` is None outside git and ends in "-dirty" if there were
    uncommitted changes. `python` is the version that compiled the bytecode. `aws_services` are the services that boto3
    can call from this package.
    """

    path: str
    sha256: str
    sha256_base64: str
    size_bytes: int
    architecture: str
    python: str
    commit: str | None
    version: str
    files: FileCounts
    distributions: dict[str, str]
    aws_services: list[str]

    def write(self) -> Path:
        """Write the manifest beside its package and return its path."""
        path = (REPOSITORY / self.path).with_suffix(".json")
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return path


def describe(package: Path, architecture: str) -> Manifest:
    """Return the manifest of a finished zip."""
    content = package.read_bytes()
    digest = hashlib.sha256(content)
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    files = FileCounts(len(entries), sum(entry.file_size for entry in entries))
    path = package.resolve()
    inside = path.is_relative_to(REPOSITORY)
    return Manifest(
        path=(path.relative_to(REPOSITORY) if inside else path).as_posix(),
        sha256=digest.hexdigest(),
        sha256_base64=base64.b64encode(digest.digest()).decode(),
        size_bytes=len(content),
        architecture=architecture,
        python=platform.python_version(),
        commit=commit(),
        version=f"{_project_version()}+{digest.hexdigest()[:12]}",
        files=files,
        distributions=distributions(package),
        aws_services=services.carried(package),
    )


def commit(repository: Path = REPOSITORY) -> str | None:
    """Return the commit that `repository` is at, as `Manifest.commit` says."""
    head = _git(repository, "rev-parse", "HEAD")
    if not head:
        return None
    return head + ("-dirty" if _git(repository, "status", "--porcelain") else "")


def _git(repository: Path, *arguments: str) -> str:
    """Return what git prints, empty where there is no git or no repository."""
    try:
        said = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()


def _project_version() -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    version: str = project["project"]["version"]
    return version
