"""Converts a `JobRecord` to a DynamoDB item and back.

The key is `tenant` and `item` (`job#<id>`). The fields that a heartbeat changes (lease, progress, usage) are in no
index key, so a heartbeat costs one write. Two indexes are sparse. `due` contains the jobs with a `due_at`. `waiting`
contains the jobs with a `lane_sort_key`: the jobs with a tier that may be claimed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias
from zlib import crc32

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from analysis_jobs.base.clock import from_ms, to_ms
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import HistoryEntry, JobFailure, JobKey, JobRecord, Payload, StoredFile
from analysis_jobs.jobs.transitions import Status

# DynamoDB limits a partition of an index to 1,000 writes a second. The sweeper queries every shard, so use few.
DUE_SHARDS = 4

# What `is_held` needs, and the key, as arguments of a read.
LEASE_ONLY = {
    "ProjectionExpression": "#tenant, #item, #status, #lease_until",
    "ExpressionAttributeNames": {f"#{name}": name for name in ("tenant", "item", "status", "lease_until")},
}

Item: TypeAlias = dict[str, Any]

_serialize_any = TypeSerializer().serialize
_deserialize_any = TypeDeserializer().deserialize
_PROCESSING = {"S": str(Status.PROCESSING)}
_TIMES = {"created_at", "deadline", "due_at", "not_before", "lease_until", "finished_at", "cancel_asked_at"}
_NUMBERS = {"version", "attempt", "max_attempts", "fence", "tier_rank", "sends", "progress"}
# Fields that are stored under an older name, so that existing tables and indexes remain valid.
_STORED_NAMES = {"priority": "lane", "tier_rank": "rank", "lane_sort_key": "waiting", "claimed_via": "turn_of"}
_FIELD_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}
_KEY_FIELDS = {"tenant", "job_id"}
_ITEM_FIELDS = {field.name for field in fields(JobRecord)} - _KEY_FIELDS
# An empty value of these fields is not stored. A row without the attribute reads the same, and costs less to send, to
# parse and to write. `history` is not among them: a transition appends to it.
_LEFT_OUT_IF_EMPTY = {"checkpoints", "files", "models", "prompts", "stages_completed", "timeouts"}
# Fields that are also part of an index key, together with the tenant.
_INDEXED = {"status": "tenant_status", "client": "tenant_client", "subject": "tenant_subject"}


def job_item_key(key: JobKey) -> Item:
    """Return the primary key of a job's row."""
    return {"tenant": {"S": key.tenant}, "item": {"S": f"job#{key.job_id}"}}


def key_of(item: Mapping[str, Any]) -> JobKey:
    """Return the job's key from a row or an index entry."""
    return JobKey(item["tenant"]["S"], item["item"]["S"].removeprefix("job#"))


def index_value(tenant: str, value: str) -> str:
    """Return the hash key of an index entry. A tenant contains no `#`, so different tenants never share a key."""
    return f"{tenant}#{value}"


def attributes(key: JobKey, name: str, value: Any) -> dict[str, Any]:
    """Return the serialized attributes of one field. The value None means that the attribute does not exist."""
    found = {_STORED_NAMES.get(name, name): None if value is None else _serialize(_to_plain(name, value))}
    if name in _INDEXED:
        found[_INDEXED[name]] = None if value is None else {"S": index_value(key.tenant, value)}
    if name == "due_at":
        found["due_shard"] = None if value is None else {"S": str(crc32(key.job_id.encode()) % DUE_SHARDS)}
    return found


def to_item(job: JobRecord) -> Item:
    """Return the item of a job."""
    key = job.key
    item = job_item_key(key)
    for name, value in vars(job).items():
        if value is not None and name not in _KEY_FIELDS and (value or name not in _LEFT_OUT_IF_EMPTY):
            item |= attributes(key, name, value)
    return item


def from_item(item: Mapping[str, Any]) -> JobRecord:
    """Return the job of an item."""
    key = key_of(item)
    values: dict[str, Any] = {"due_at": None}
    for stored, value in item.items():
        name = _FIELD_NAMES.get(stored, stored)
        if name in _ITEM_FIELDS:
            values[name] = _from_plain(name, _deserialize(value))
    return JobRecord(tenant=key.tenant, job_id=key.job_id, **values)


def as_read(name: str, value: Any) -> Any:
    """Return the value of a field as it is read after it was written: times are stored less exactly."""
    return None if value is None else _from_plain(name, _to_plain(name, value))


def is_held(item: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a worker holds the job of an item, of which at least `LEASE_ONLY` was read."""
    lease_until = item.get("lease_until")
    return item.get("status") == _PROCESSING and lease_until is not None and int(lease_until["N"]) > to_ms(now)


def history_item(entry: HistoryEntry) -> Item:
    """Return one history entry, serialized."""
    return dict(_serialize(_entry_to_plain(entry)))


def _serialize(value: Any) -> Any:
    """Return a value in DynamoDB's JSON, as boto3 does. Texts and whole numbers, which most values are, are quick."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    return {"N": str(value)} if kind is int else _serialize_any(value)


def _deserialize(value: Any) -> Any:
    """Return a value from DynamoDB's JSON, as boto3 does. Whole numbers are integers, because `Decimal` is slow."""
    [(kind, given)] = value.items()
    match kind:
        case "S":
            return given
        case "N" if given.isdecimal():
            return int(given)
        case "M":
            return {name: _deserialize(each) for name, each in given.items()}
        case "L":
            return [_deserialize(each) for each in given]
    return _deserialize_any(value)


def _to_plain(name: str, value: Any) -> Any:
    """Return the value as numbers, texts, lists and maps, which boto3 can serialize."""
    match value:
        case Status():
            return str(value)
        case datetime() if name == "expires_at":
            return int(value.timestamp())  # DynamoDB's TTL needs seconds
        case datetime():
            return to_ms(value)
        case Payload():
            return {name: text for name, text in asdict(value).items() if text is not None}
        case JobFailure() | JobKey():
            return asdict(value)
    return _ENCODERS[name](value) if name in _ENCODERS else value


def _usage_to_plain(usage: Usage) -> dict[str, int]:
    """Return the counts without unused cache counts and estimates: earlier versions of the code cannot read those."""
    optional = ("cache_", "estimated_")
    return {part: amount for part, amount in asdict(usage).items() if amount or not part.startswith(optional)}


def _usage_to_text(usage: Usage) -> str:
    """Return the counts as one text, without a count of estimates that is 0: earlier versions cannot read it."""
    counts = astuple(usage)
    return " ".join(map(str, counts if usage.estimated_calls else counts[:-1]))


def _entry_to_plain(entry: HistoryEntry) -> dict[str, Any]:
    return {"at": to_ms(entry.at), "transition": entry.transition, "status": str(entry.status)}


def _from_plain(name: str, value: Any) -> Any:
    """Return the value of a `JobRecord` field from what `_deserialize` returned. A number may be a `Decimal`."""
    decode = _DECODERS.get(name)
    return decode(value) if decode else value


def _history(value: Any) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(from_ms(int(e["at"])), e["transition"], Status(e["status"])) for e in value)


def _files(value: Any) -> dict[str, StoredFile]:
    found = {}
    for name, text in value.items():
        fence, size, content_type = text.split(" ", 2)
        found[name] = StoredFile(int(fence), int(size), content_type)
    return found


def _models(value: Any) -> dict[str, Usage]:
    return {model: Usage(*map(int, text.split(" "))) for model, text in value.items()}


def _int_values(value: Any) -> dict[str, int]:
    return {name: int(count) for name, count in value.items()}


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("checkpoints", "prompt_versions", "prompts", "timeouts"), dict),
    # Short texts, because DynamoDB bills every write by the size of the row.
    "files": lambda files: {name: f"{each.fence} {each.size} {each.content_type}" for name, each in files.items()},
    "history": lambda entries: [_entry_to_plain(entry) for entry in entries],
    "models": lambda models: {name: _usage_to_text(usage) for name, usage in models.items()},
    "stages_completed": list,
    "usage": _usage_to_plain,
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, lambda value: from_ms(int(value))),
    **dict.fromkeys(_NUMBERS, int),
    **dict.fromkeys(("documents", "input", "result"), lambda value: Payload(**value)),
    "cost_usd": Decimal,
    "expires_at": lambda value: from_ms(int(value) * 1000),
    "failure": lambda value: JobFailure(**value),
    "files": _files,
    "history": _history,
    "models": _models,
    "stages_completed": tuple,
    "status": Status,
    "prompt_versions": _int_values,
    "timeouts": _int_values,
    "claimed_via": lambda value: JobKey(**value),
    "usage": lambda value: Usage(**_int_values(value)),
}
