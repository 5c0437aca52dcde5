"""Uploads a package to S3, from where Lambda takes it. A zip over 50 MB can be deployed in no other way.

The object's key contains the SHA-256 of the zip: a package that is there already is not uploaded again, and the same
code gives the same plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "analysis-jobs"
# S3 answers 403 instead of 404 to a caller who may not list the bucket.
ABSENT = {"403", "404"}


class UploadError(Exception):
    """S3 did not take the package; the message says why."""


def key_of(package: Path, sha256: str) -> str:
    """Return the key of a package in the bucket."""
    return f"{PREFIX}/{package.stem}-{sha256}{package.suffix}"


def upload(package: Path, sha256_base64: str, sha256: str, *, bucket: str, region: str) -> dict[str, str]:
    """Put a zip into the bucket and return it as the module's `package.s3`: bucket, key, and object_version.

    `object_version` is missing if the bucket keeps no versions. The bucket must be in the functions' Region.
    S3 checks the content against the hash. Raises UploadError.
    """
    key = key_of(package, sha256)
    s3: S3Client = boto3.client("s3", region_name=region)
    try:
        version = _kept_version(s3, bucket, key, sha256_base64)
        if version is None:
            with package.open("rb") as content:
                answer = s3.put_object(
                    Bucket=bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256", ChecksumSHA256=sha256_base64
                )
            version = answer.get("VersionId", "")
    except (BotoCoreError, ClientError, OSError) as error:
        raise UploadError(f"{package.name} cannot be uploaded to s3://{bucket}/{key}: {error}") from error
    return {"bucket": bucket, "key": key, **({"object_version": version} if version else {})}


def _kept_version(s3: S3Client, bucket: str, key: str, sha256_base64: str) -> str | None:
    """Return the version of the object with this content: "" in a bucket without versions, None if there is none."""
    try:
        found = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return found.get("VersionId", "") if found.get("ChecksumSHA256") == sha256_base64 else None
