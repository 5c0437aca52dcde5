"""The slots of waiting requests, in DynamoDB and in memory.

A slot is a lease: an item of the job table that names when it is free again. A counter would leak when a function dies.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.clock import to_ms
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.ports import WaitingSlot

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_TRIES = 3
# The items of the whole stack are under this key. A tenant begins with a letter or a digit.
_STACK = "#stack"
_PREFIX = "wait#"


@dataclass(frozen=True)
class DynamoWaitingSlots:
    """Slots in the job table. Taking one costs two queries and a transaction, freeing one a transaction."""

    client: DynamoDBClient
    table: str
    per_tenant: int
    per_stack: int

    def take(self, tenant: str, now: datetime, until: datetime) -> WaitingSlot | None:
        """See `WaitingSlots.take`."""
        for _ in range(_TRIES):
            tenant_number = self._free_number(tenant, self.per_tenant, now)
            stack_number = self._free_number(_STACK, self.per_stack, now)
            if tenant_number is None or stack_number is None:
                return None
            slot = WaitingSlot(tenant, tenant_number, stack_number, until)
            if self._transact([{"Put": put} for put in self._puts(slot, now)]):
                return slot
        return None  # many take slots at this moment

    def free(self, slot: WaitingSlot) -> None:
        """See `WaitingSlots.free`."""
        # The condition is on the exact end, so that a slot that has expired and was taken by another stays taken.
        self._transact(
            [
                {
                    "Update": {
                        "TableName": self.table,
                        "Key": key,
                        "UpdateExpression": "SET #until = :never",
                        "ConditionExpression": "#until = :mine",
                        "ExpressionAttributeNames": {"#until": "waits_until"},
                        "ExpressionAttributeValues": {":never": {"N": "0"}, ":mine": _ms(slot.until)},
                    }
                }
                for key in _keys(slot)
            ]
        )

    def _free_number(self, partition: str, limit: int, now: datetime) -> int | None:
        response = self.client.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="#tenant = :tenant AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#tenant": "tenant", "#item": "item"},
            ExpressionAttributeValues={":tenant": {"S": partition}, ":prefix": {"S": _PREFIX}},
        )
        taken = {
            int(item["item"]["S"].removeprefix(_PREFIX))
            for item in response["Items"]
            if int(item["waits_until"]["N"]) > to_ms(now)
        }
        free = [number for number in range(limit) if number not in taken]
        # Any of them, so that two requests at once rarely take the same one.
        return random.choice(free) if free else None  # noqa: S311 - jitter needs no secure random

    def _puts(self, slot: WaitingSlot, now: datetime) -> Iterator[dict[str, Any]]:
        for key in _keys(slot):
            yield {
                "TableName": self.table,
                "Item": key
                | {"waits_until": _ms(slot.until), "expires_at": {"N": str(int(slot.until.timestamp()) + 1)}},
                "ConditionExpression": "attribute_not_exists(#until) OR #until <= :now",
                "ExpressionAttributeNames": {"#until": "waits_until"},
                "ExpressionAttributeValues": {":now": _ms(now)},
            }

    def _transact(self, writes: list[dict[str, Any]]) -> bool:
        with suppress(self.client.exceptions.TransactionCanceledException):
            self.client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
            return True
        return False


def _keys(slot: WaitingSlot) -> Iterator[dict[str, Any]]:
    for partition, number in ((slot.tenant, slot.tenant_number), (_STACK, slot.stack_number)):
        yield {"tenant": {"S": partition}, "item": {"S": f"{_PREFIX}{number}"}}


def _ms(moment: datetime) -> dict[str, str]:
    return {"N": str(to_ms(moment))}


@dataclass
class MemoryWaitingSlots:
    """Slots in memory, for tests."""

    per_tenant: int = 10
    per_stack: int = 25
    taken: list[WaitingSlot] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def take(self, tenant: str, now: datetime, until: datetime) -> WaitingSlot | None:
        """See `WaitingSlots.take`."""
        with self._lock:
            self.taken = [slot for slot in self.taken if slot.until > now]
            of_tenant = {slot.tenant_number for slot in self.taken if slot.tenant == tenant}
            of_stack = {slot.stack_number for slot in self.taken}
            if len(of_tenant) >= self.per_tenant or len(of_stack) >= self.per_stack:
                return None
            slot = WaitingSlot(
                tenant,
                min(set(range(self.per_tenant)) - of_tenant),
                min(set(range(self.per_stack)) - of_stack),
                until,
            )
            self.taken.append(slot)
            return slot

    def free(self, slot: WaitingSlot) -> None:
        """See `WaitingSlots.free`."""
        with self._lock, suppress(ValueError):
            self.taken.remove(slot)
