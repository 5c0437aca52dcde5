"""The artifact store on S3."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis_jobs.jobs.ports import NotFound, PresignedPost, TooLarge

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# The codes of a conditional write that lost against an earlier or a concurrent write.
_ALREADY_THERE = {"ConditionalRequestConflict", "PreconditionFailed", "412"}
# S3 returns 403 for a missing object, because the functions have no s3:ListBucket permission.
_MISSING = {"NoSuchKey", "AccessDenied", "404", "403"}
# The bytes of this version do not exist, or not any more.
_MISSING_VERSION = {"NoSuchVersion", "PreconditionFailed", "412"}
_NO_VERSION = "null"  # what S3 calls the version of an object that was written without versioning


class S3ArtifactStore:
    """Stores artifacts in one bucket. Keys start with `uploads/<tenant>/` or `jobs/<tenant>/`.

    In the bucket, every key begins with `prefix`. The keys that callers pass and rows hold do not contain it.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def read(self, key: str, max_bytes: int, version: str | datetime | None = None) -> bytes:
        """See `ArtifactStore.read`. One request. A body that is too large is not downloaded."""
        try:
            response = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **_of_version(version))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING | _MISSING_VERSION:
                raise NotFound(f"{error.response['Error']['Code']} for {key}") from error
            raise
        with response["Body"] as body:
            if response["ContentLength"] > max_bytes:
                raise TooLarge(response["ContentLength"])
            return body.read()

    def current_version(self, key: str) -> str | None:
        """See `ArtifactStore.current_version`. One request.

        It is the version's id. In a bucket without versions it is the entity tag, in its quotation marks: the bytes can
        change then, but a read of the old ones fails.
        """
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        version = found.get("VersionId", _NO_VERSION)
        return found["ETag"] if version == _NO_VERSION else version

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """See `ArtifactStore.write`."""
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, ContentType=content_type)

    def write_once(self, key: str, body: bytes, content_type: str) -> bool:
        """See `ArtifactStore.write_once`. One conditional request.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + key, Body=body, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _ALREADY_THERE:
                return False
            raise
        return True

    def presign_post(self, key: str, content_type: str, size: int, expires: timedelta) -> PresignedPost:
        """See `ArtifactStore.presign_post`. Signed locally, without a request."""
        form = self._client.generate_presigned_post(
            self._bucket,
            self._prefix + key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=int(expires.total_seconds()),
        )
        return PresignedPost(form["url"], form["fields"])

    def presign_get(self, key: str, filename: str, content_type: str, expires: timedelta) -> str:
        """See `ArtifactStore.presign_get`. Signed locally, without a request."""
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": self._prefix + key,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
                "ResponseContentType": content_type,
            },
            ExpiresIn=int(expires.total_seconds()),
        )


def _of_version(version: str | datetime | None) -> dict[str, Any]:
    match version:
        case None:
            return {}
        case datetime():
            return {"IfUnmodifiedSince": version}
    return {"IfMatch": version} if version.startswith('"') else {"VersionId": version}
