"""The write units that a write to a DynamoDB table costs, from the size of its items.

Sizes and rules: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html, and for
indexes https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

import math
from collections.abc import Mapping
from typing import Any

type Item = Mapping[str, Any]

_UNIT_BYTES = 1024
TABLE_KEYS = ("tenant", "item")
# The indexes of modules/job-table, which hold keys only.
INDEXES = {
    "by-status": "tenant_status",
    "by-client": "tenant_client",
    "by-subject": "tenant_subject",
    "due": "due_shard",
}
_DUE_RANGE = "due_at"


def size(item: Item) -> int:
    """Return the size of an item in bytes, names and values. `item` is in DynamoDB's JSON."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, held)] = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":  # about one byte for two digits, plus one
            return math.ceil(len(held.strip("-0.") or "0") / 2) + 1
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in held.items())
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in held)
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"no rule for {kind}")


def write_units(before: Item | None, after: Item) -> int:
    """Return the units of one write: the larger of both items, plus each index entry that is added or removed."""
    table = math.ceil(max(size(before or {}), size(after)) / _UNIT_BYTES)
    return table + sum(_index_units(hash_key, before or {}, after) for hash_key in INDEXES.values())


def _index_units(hash_key: str, before: Item, after: Item) -> int:
    old, new = _entry(hash_key, before), _entry(hash_key, after)
    return 0 if old == new else (old is not None) + (new is not None)


def _entry(hash_key: str, item: Item) -> Item | None:
    if hash_key not in item:
        return None
    keys = (*TABLE_KEYS, hash_key, _DUE_RANGE) if hash_key == "due_shard" else (*TABLE_KEYS, hash_key)
    return {key: item[key] for key in keys}
