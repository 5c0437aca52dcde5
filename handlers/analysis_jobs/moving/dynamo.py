"""A DynamoDB table with one item for each job and an attribute for its status.

It fits systems whose function invokes itself or a worker asynchronously, without a queue: the table is all they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from analysis_jobs.moving.source import OldJob, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from types_boto3_dynamodb import DynamoDBClient

_MOVING = "moving"
_MOVED = "moved"
_NEW_ID = "moved_to"
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class DynamoSource:
    """See `Source`.

    Args:
        client: A boto3 client for DynamoDB.
        table: The name of the table.
        key: The attribute that is the table's only key.
        status: The attribute of the status.
        queued: The values of the status of jobs that wait.
        running: The values of the status of jobs that a worker has.
        changed_at: Returns when a worker last wrote to an item.
    """

    client: DynamoDBClient
    table: str
    key: str
    status: str
    queued: frozenset[str]
    running: frozenset[str]
    changed_at: Callable[[Mapping[str, Any]], datetime | None] = lambda _: None

    @property
    def name(self) -> str:
        """The name of the source, for idempotency keys."""
        return f"dynamodb {self.table}"

    def unfinished(self) -> Iterator[OldJob]:
        """See `Source.unfinished`. Scans the table with strong consistency."""
        for page in self.client.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            for item in page["Items"]:
                old = self._old(item)
                if old.state in {State.QUEUED, State.RUNNING, State.MOVING}:
                    yield old

    def take(self, old: OldJob) -> bool:
        """See `Source.take`. One conditional write."""
        return self._write(old, {self.status: _MOVING}, str(old.raw[self.status]))

    def finish(self, old: OldJob, new_id: str) -> None:
        """See `Source.finish`. A worker that wrote meanwhile loses: the job has moved."""
        self._write(old, {self.status: _MOVED, _NEW_ID: new_id}, None)

    def find(self, old_id: str) -> OldJob | None:
        """See `Source.find`."""
        key = {self.key: {"S": old_id}}
        item = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        return self._old(item) if item else None

    def _write(self, old: OldJob, changes: Mapping[str, str], expected: str | None) -> bool:
        names = {f"#{number}": name for number, name in enumerate(changes)}
        values = {f":{number}": _serialize(value) for number, value in enumerate(changes.values())}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_exists(#key)"}
        if expected is not None:
            condition = {"ConditionExpression": "#key_status = :expected"}
            values[":expected"] = {"S": expected}
        extra = {"#key": self.key} if expected is None else {"#key_status": self.status}
        try:
            self.client.update_item(
                TableName=self.table,
                Key={self.key: {"S": old.old_id}},
                UpdateExpression="SET " + ", ".join(f"#{number} = :{number}" for number in range(len(changes))),
                ExpressionAttributeNames=names | extra,
                ExpressionAttributeValues=values,
                **condition,
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _old(self, item: Mapping[str, Any]) -> OldJob:
        raw = {name: _deserialize(value) for name, value in item.items()}
        status = str(raw.get(self.status, ""))
        known = {_MOVING: State.MOVING, _MOVED: State.MOVED}
        state = known.get(status, State.ENDED)
        if status in self.queued:
            state = State.QUEUED
        elif status in self.running:
            state = State.RUNNING
        return OldJob(str(raw[self.key]), state, raw, self.changed_at(raw), raw.get(_NEW_ID))
