"""How a `JobRecord` is written as a DynamoDB item, and read back.

Key: `tenant` and `item` (`job#<id>`). What a beat changes (lease, progress, usage) is in no index key, so that a
heartbeat costs one write. `due_at` and `due_shard` exist only while a next step is owed: the index `due` is sparse. So
is `lane_sort_key`, of a lane and the place in it, which a job of a tier has while it may be claimed.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, fields
from datetime import datetime
from typing import Any
from zlib import crc32

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from analysis_jobs.base.clock import from_ms, to_ms
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import HistoryEntry, JobFailure, JobKey, JobRecord, Payload, StoredFile
from analysis_jobs.jobs.transitions import Status

# A partition of an index takes 1,000 writes a second; the sweeper asks every shard, so there are few.
DUE_SHARDS = 4

type Item = dict[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize
_TIMES = {"created_at", "deadline", "due_at", "not_before", "lease_until", "finished_at", "cancel_asked_at"}
_NUMBERS = {"version", "attempt", "max_attempts", "fence", "tier_rank", "sends", "progress"}
# Fields that are stored under an older name, so that existing tables and their indexes stay valid.
_STORED_NAMES = {"priority": "lane", "tier_rank": "rank", "lane_sort_key": "waiting", "claimed_via": "turn_of"}
_FIELD_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}
# Where a field's value also makes an index key; the tenant is part of every one.
_INDEXED = {"status": "tenant_status", "client": "tenant_client", "subject": "tenant_subject"}


def job_item_key(key: JobKey) -> Item:
    """Return the primary key of a job's row."""
    return {"tenant": {"S": key.tenant}, "item": {"S": f"job#{key.job_id}"}}


def key_of(item: Mapping[str, Any]) -> JobKey:
    """Return the job that a row, or an index entry, is about."""
    return JobKey(item["tenant"]["S"], item["item"]["S"].removeprefix("job#"))


def index_value(tenant: str, value: str) -> str:
    """Return the hash key of an index entry. The tenant holds no `#`, so no two tenants can share one."""
    return f"{tenant}#{value}"


def attributes(key: JobKey, name: str, value: Any) -> dict[str, Any]:
    """Return the attributes that one field is kept in, serialized; None means: no such attribute."""
    found = {_STORED_NAMES.get(name, name): None if value is None else _serialize(_plain(name, value))}
    if name in _INDEXED:
        found[_INDEXED[name]] = None if value is None else {"S": index_value(key.tenant, value)}
    if name == "due_at":
        found["due_shard"] = None if value is None else {"S": str(crc32(key.job_id.encode()) % DUE_SHARDS)}
    return found


def to_item(job: JobRecord) -> Item:
    """Return the whole row of a job."""
    key = job.key
    item = job_item_key(key)
    for field in fields(job):
        if field.name not in ("tenant", "job_id"):
            found = attributes(key, field.name, getattr(job, field.name))
            item |= {name: value for name, value in found.items() if value is not None}
    return item


def from_item(item: Mapping[str, Any]) -> JobRecord:
    """Return the job of a row."""
    key = key_of(item)
    names = {field.name for field in fields(JobRecord)} - {"tenant", "job_id"}
    named = ((_FIELD_NAMES.get(stored, stored), value) for stored, value in item.items())
    values = {name: _field(name, _deserialize(value)) for name, value in named if name in names}
    return JobRecord(tenant=key.tenant, job_id=key.job_id, **{"due_at": None, **values})


def history_item(entry: HistoryEntry) -> Item:
    """Return one history entry, serialized."""
    return dict(_serialize(_plain_entry(entry)))


def _plain(name: str, value: Any) -> Any:
    """Return what boto3 can serialize: numbers, texts, lists and maps."""
    match value:
        case Status():
            return str(value)
        case datetime() if name == "expires_at":
            return int(value.timestamp())  # DynamoDB's TTL wants seconds
        case datetime():
            return to_ms(value)
        case Payload():
            return {name: text for name, text in asdict(value).items() if text is not None}
        case JobFailure() | JobKey():
            return asdict(value)
    return _ENCODERS[name](value) if name in _ENCODERS else value


def _plain_usage(usage: Usage) -> dict[str, int]:
    """Few calls use a cache; a row without those counts is read by the code of before, too."""
    return {part: amount for part, amount in asdict(usage).items() if amount or not part.startswith("cache_")}


def _plain_entry(entry: HistoryEntry) -> dict[str, Any]:
    return {"at": to_ms(entry.at), "transition": entry.transition, "status": str(entry.status)}


def _field(name: str, value: Any) -> Any:
    """Return what `JobRecord` holds, of what boto3 deserialized (its numbers are `Decimal`)."""
    return _DECODERS[name](value) if name in _DECODERS else value


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


def _counts(value: Any) -> dict[str, int]:
    return {name: int(count) for name, count in value.items()}


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("checkpoints", "prompts", "timeouts"), dict),
    # One short text each: every write pays for the row's size.
    "files": lambda files: {name: f"{each.fence} {each.size} {each.content_type}" for name, each in files.items()},
    "history": lambda entries: [_plain_entry(entry) for entry in entries],
    "models": lambda models: {name: " ".join(map(str, astuple(usage))) for name, usage in models.items()},
    "stages_completed": list,
    "usage": _plain_usage,
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, lambda value: from_ms(int(value))),
    **dict.fromkeys(_NUMBERS, int),
    **dict.fromkeys(("input", "result"), lambda value: Payload(**value)),
    "expires_at": lambda value: from_ms(int(value) * 1000),
    "failure": lambda value: JobFailure(**value),
    "files": _files,
    "history": _history,
    "models": _models,
    "stages_completed": tuple,
    "status": Status,
    "timeouts": _counts,
    "claimed_via": lambda value: JobKey(**value),
    "usage": lambda value: Usage(**_counts(value)),
}
