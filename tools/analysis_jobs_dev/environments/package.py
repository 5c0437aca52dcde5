"""The built package that a deployment installs."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis_jobs_dev.environments.model import ConfigError, Environment
from analysis_jobs_dev.environments.package_bucket import key_of, upload
from analysis_jobs_dev.packager.refusals import DIRECT_UPLOAD_LIMIT

__all__ = ["Package"]


@dataclass(frozen=True)
class Package:
    """A package: its manifest, and where its zip was uploaded to (`s3`, as the module takes it).

    `live_versions` are the versions that the alias `live` of each function must keep, by the function. None lets
    Terraform move `live` to the new versions.
    """

    manifest: Path
    s3: Mapping[str, str] | None = None
    live_versions: Mapping[str, str] | None = None

    @classmethod
    def of(cls, environment: Environment) -> "Package":
        """Return the package that the environment names. Raises `ConfigError` if it is not built, or cannot be sent."""
        found = cls(environment.package)
        if not found.manifest.is_file():
            raise ConfigError(f"There is no package {found.manifest}. Build it: {_command(environment)}")
        if not found.zip.is_file():
            raise ConfigError(
                f"{found.manifest} describes {found.zip.name}, which is not beside it. Build it again: "
                f"{_command(environment)}"
            )
        digest = hashlib.sha256(found.zip.read_bytes())
        named = (found.content.get("sha256"), found.content.get("sha256_base64"))
        if named != (digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
            raise ConfigError(
                f"{found.zip} is not the zip that {found.manifest.name} describes. Take both files from one build, or "
                f"build them again: {_command(environment)}"
            )
        name = found.content.get("project", {}).get("name")
        if name is not None and name != environment.project.name:
            raise ConfigError(
                f"{found.manifest} is the package of the project {name}, and the environment {environment.name} "
                f"deploys {environment.project.name}: correct `package` in {environment.file}."
            )
        if environment.package_bucket is None and not environment.is_local and found.size_bytes > DIRECT_UPLOAD_LIMIT:
            raise ConfigError(
                f"{found.zip.name} has {found.size_bytes / 2**20:.1f} MB, and Lambda accepts at most 50 MB that do not "
                f"come from S3: set package_bucket in {environment.file} to a bucket in {environment.region}."
            )
        return found

    @cached_property
    def content(self) -> dict[str, Any]:
        """The content of the manifest."""
        found: dict[str, Any] = json.loads(self.manifest.read_text("utf-8"))
        return found

    @property
    def zip(self) -> Path:
        """The zip beside the manifest."""
        return self.manifest.parent / str(self.content.get("path"))

    @property
    def size_bytes(self) -> int:
        """The size of the zip."""
        return int(self.content["size_bytes"])

    @property
    def sha256_base64(self) -> str:
        """The hash of the zip, as Lambda and Terraform have it."""
        return str(self.content["sha256_base64"])

    @property
    def version(self) -> str:
        """The version of the code, which each result names."""
        return str(self.content["version"])

    def uploaded(self, bucket: str, region: str) -> "Package":
        """Return this package after its upload to a bucket. Raises `package_bucket.UploadError`."""
        upload(self.zip, self.sha256_base64, str(self.content["sha256"]), bucket=bucket, region=region)
        return self.located(bucket)

    def located(self, bucket: str) -> "Package":
        """Return this package as it is, or will be, in a bucket.

        The role that plans may not upload. So the plan names no version of the object; its key contains the hash.
        """
        return replace(self, s3={"bucket": bucket, "key": key_of(self.zip, str(self.content["sha256"]))})

    def keeping(self, live_versions: Mapping[str, str]) -> "Package":
        """Return this package with the versions that `live` keeps."""
        return replace(self, live_versions=live_versions)


def _command(environment: Environment) -> str:
    project = environment.project.folder
    if project == environment.repository:
        return "`analysis-jobs package`."
    given = project.relative_to(environment.repository).as_posix()
    return f"`analysis-jobs package {given} --out {environment.package.parent.name}`."
