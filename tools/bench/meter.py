"""Counts the AWS requests of a process, and the write units of its job table, with moto in the place of AWS."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, Self

import boto3
from botocore.model import OperationModel

from tests.faults.capacity import INDEXES, size, write_units
from tests.handlers.aws import REGION

type Row = Mapping[str, Any]
type Key = dict[str, Any]

# A transaction costs twice the units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
_TRANSACTION = 2
_UNIT_BYTES = 1_024
_MEMBERS = ("Put", "Update", "Delete", "ConditionCheck")


class Meter:
    """Counts what the default session of boto3 sends. A context manager.

    `requests` are by `service:Operation`. `units` are write units by the kind of the item, such as `job`. `partitions`
    are the units by index and key, such as `by-status acme#queued`; the table itself is `table acme`. `events` are the
    records of the table's stream that pass the filter of the events function.
    """

    def __init__(self, table: str) -> None:
        self.requests: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.partitions: Counter[str] = Counter()
        self.events = 0
        self._table = table
        self._lock = Lock()
        # A session of its own: its requests are not counted.
        self._reader = boto3.Session().client("dynamodb", region_name=REGION)

    def __enter__(self) -> Self:
        boto3.setup_default_session()
        events = boto3.DEFAULT_SESSION.events  # type: ignore[union-attr]
        events.register("before-parameter-build", self._asked)
        events.register("after-call.dynamodb", self._answered)
        return self

    def __exit__(self, *_: object) -> None:
        boto3.DEFAULT_SESSION = None

    def clear(self) -> None:
        """Begin to count again."""
        self.requests.clear()
        self.units.clear()
        self.partitions.clear()
        self.events = 0

    def _asked(self, model: OperationModel, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        with self._lock:
            self.requests[f"{model.service_model.service_name}:{model.name}"] += 1
        writes = list(_writes(model.name, params, self._table))
        context["bench_rows"] = [(key, self._read(key), factor) for key, factor in writes]

    def _answered(self, context: dict[str, Any], **_: object) -> None:
        for key, before, factor in context.get("bench_rows", ()):
            after = self._read(key)
            if before is None and after is None:
                continue
            kind = key["item"]["S"].partition("#")[0]
            with self._lock:
                self.units[kind] += factor * write_units(before, after or before or {})
                for partition, units in _partitions(before or {}, after or before or {}):
                    self.partitions[partition] += factor * units
                self.events += kind == "job" and before != after and _passes(after or {})

    def _read(self, key: Key) -> Row | None:
        return self._reader.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")


def _writes(operation: str, params: Mapping[str, Any], table: str) -> Iterator[tuple[Key, int]]:
    """Yield the keys that a request writes, each with the factor of its units."""
    if operation == "TransactWriteItems":
        for member in params["TransactItems"]:
            [(kind, write)] = member.items()
            if kind in _MEMBERS and write["TableName"] == table:
                yield _key(write.get("Key") or write["Item"]), _TRANSACTION
    elif operation in ("PutItem", "UpdateItem", "DeleteItem") and params["TableName"] == table:
        yield _key(params.get("Key") or params["Item"]), 1
    elif operation == "BatchWriteItem":
        for member in params["RequestItems"].get(table, ()):
            [write] = member.values()
            yield _key(write.get("Key") or write["Item"]), 1


def _partitions(before: Row, after: Row) -> Iterator[tuple[str, int]]:
    """Yield each partition that a write takes units of, as `write_units` adds them up."""
    yield f"table {after['tenant']['S']}", math.ceil(max(size(before), size(after)) / _UNIT_BYTES)
    for index, hash_key in INDEXES.items():
        keys = (hash_key, "due_at") if index == "due" else (hash_key,)
        old, new = ({key: row.get(key) for key in keys} for row in (before, after))
        if old != new:
            yield from ((f"{index} {row[hash_key]['S']}", 1) for row in (before, after) if hash_key in row)


def _passes(row: Row) -> bool:
    """Tell whether a new version of a row passes the filter in modules/analysis-jobs/events.tf."""
    return row.get("status") != {"S": "processing"} or bool({"claimant", "cancel_asked_at"} & row.keys())


def _key(item: Mapping[str, Any]) -> Key:
    return {"tenant": item["tenant"], "item": item["item"]}
