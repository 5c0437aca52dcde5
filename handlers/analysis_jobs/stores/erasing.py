"""The job table, the bucket and the dead-letter queues on AWS, as an erasure sees them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.batches import batches
from analysis_jobs.jobs.erasing import Drained, OtherItem, StoredVersion, Tombstone, job_of_message
from analysis_jobs.stores.items import job_item_key
from analysis_jobs.stores.receiving import LONG_POLL_S, EveryMessage
from analysis_jobs.stores.tombstones import read_item, tombstone_item, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

    from analysis_jobs.jobs.record import JobKey, JobRecord

_MAX_DELETED = 1_000  # the limit of S3 for one request


class DynamoRows:
    """See `ErasableRows`."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def items(self, tenant: str) -> Iterator[JobRecord | Tombstone | OtherItem]:
        """See `ErasableRows.items`. Reads the whole partition of the tenant."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="#tenant = :tenant",
            ExpressionAttributeNames={"#tenant": "tenant"},
            ExpressionAttributeValues={":tenant": {"S": tenant}},
        )
        for page in pages:
            yield from map(read_item, page["Items"])

    def bury(self, read: JobRecord, tombstone: Tombstone) -> bool:
        """See `ErasableRows.bury`. One conditional write."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=tombstone_item(tombstone),
                # The second condition is for a repeated request: its first reply was lost.
                ConditionExpression="#version = :version OR #erased_at = :erased_at",
                ExpressionAttributeNames={"#version": "version", "#erased_at": "erased_at"},
                ExpressionAttributeValues={
                    ":version": {"N": str(read.version)},
                    ":erased_at": tombstone_item(tombstone)["erased_at"],
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def settle(self, tombstone: Tombstone, until: datetime) -> None:
        """See `ErasableRows.settle`."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):  # it has expired meanwhile
            self._client.update_item(
                TableName=self._table,
                Key=job_item_key(tombstone.key),
                UpdateExpression="SET #expires_at = :until REMOVE #remains, #subject",
                ConditionExpression="attribute_exists(#erased_at)",
                ExpressionAttributeNames={
                    "#erased_at": "erased_at",
                    "#expires_at": "expires_at",
                    "#remains": "remains",
                    "#subject": "tenant_subject",
                },
                ExpressionAttributeValues={":until": {"N": str(int(until.timestamp()))}},
            )

    def remove(self, tenant: str, item: OtherItem) -> bool:
        """See `ErasableRows.remove`."""
        # A row that cannot be read has no version to compare, and nobody else can write it.
        condition = {} if item.kind == "broken_row" else unchanged(item)
        try:
            self._client.delete_item(TableName=self._table, Key=_key(tenant, item), **condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def repoint(self, tenant: str, item: OtherItem, job_id: str, *, forget_last: bool) -> bool:
        """See `ErasableRows.repoint`."""
        condition = unchanged(item)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(tenant, item),
                UpdateExpression="SET #job_id = :new, #version = if_not_exists(#version, :zero) + :one"
                + (" REMOVE analysed" if forget_last else ""),
                ConditionExpression=condition["ConditionExpression"],
                ExpressionAttributeNames=condition["ExpressionAttributeNames"],
                ExpressionAttributeValues={
                    **condition.get("ExpressionAttributeValues", {}),
                    ":new": {"S": job_id},
                    ":zero": {"N": "0"},
                    ":one": {"N": "1"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


class S3Files:
    """See `ErasableFiles`. In the bucket, every key begins with `bucket_prefix`."""

    def __init__(self, client: S3Client, bucket: str, bucket_prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = bucket_prefix

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        """See `ErasableFiles.versions`."""
        pages = self._client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
            found: list[tuple[Any, bool]] = [(each, False) for each in page.get("Versions", ())]
            found += [(each, True) for each in page.get("DeleteMarkers", ())]
            for each, marker in found:
                yield StoredVersion(each["Key"].removeprefix(self._prefix), each["VersionId"], marker)

    def remove(self, versions: Sequence[StoredVersion]) -> dict[StoredVersion, str]:
        """See `ErasableFiles.remove`. One request for each 1,000 versions."""
        refused: dict[StoredVersion, str] = {}
        for batch in batches(versions, _MAX_DELETED):
            named = {(self._prefix + each.key, each.version): each for each in batch}
            response = self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key, "VersionId": version} for key, version in named], "Quiet": True},
            )
            for error in response.get("Errors", ()):
                refused[named[error["Key"], error["VersionId"]]] = error["Code"]
        return refused


class SqsDeadLetters:
    """See `ErasableMessages`. `wait_s` is the long poll of each request."""

    def __init__(self, client: SQSClient, wait_s: int = LONG_POLL_S) -> None:
        self._client = client
        self._wait_s = wait_s

    def drain(self, queue: str, is_ours: Callable[[JobKey], bool], *, dry_run: bool) -> Drained:
        """See `ErasableMessages.drain`."""
        names: Any = ["ApproximateNumberOfMessagesNotVisible"]
        attributes = self._client.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        drained = Drained(queue, hidden=int(attributes["ApproximateNumberOfMessagesNotVisible"]))
        with EveryMessage(self._client, queue, self._wait_s) as messages:
            for message in messages:
                key = job_of_message(_parsed(message["Body"]))
                if key is not None and is_ours(key):
                    if not dry_run:
                        messages.delete(message)
                    drained.found.append(key)
        return drained


def _key(tenant: str, item: OtherItem) -> dict[str, Any]:
    return {"tenant": {"S": tenant}, "item": {"S": item.sort_key}}


def _parsed(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
