"""The manifest beside a package: its hash, size, commit and content."""

import base64
import hashlib
import json
import platform
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import services
from analysis_jobs_dev.packager.dependencies import distributions


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

    def file(self) -> Path:
        """Return the path of the zip."""
        return (places.repository() or Path()) / self.path

    def write(self) -> Path:
        """Write the manifest beside its package and return its path."""
        path = self.file().with_suffix(".json")
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
    repository = places.repository()
    return Manifest(
        path=(path.relative_to(repository) if repository and path.is_relative_to(repository) else path).as_posix(),
        sha256=digest.hexdigest(),
        sha256_base64=base64.b64encode(digest.digest()).decode(),
        size_bytes=len(content),
        architecture=architecture,
        python=platform.python_version(),
        commit=places.commit(),
        version=f"{places.version()}+{digest.hexdigest()[:12]}",
        files=files,
        distributions=distributions(package),
        aws_services=services.carried(package),
    )
