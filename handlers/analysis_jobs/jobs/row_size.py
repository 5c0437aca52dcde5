"""How many bytes fit into a job's row before its writes cost more.

DynamoDB bills each write of a row by its size, rounded up to 1 KB. It bills the whole row, also if a heartbeat changes
one number. A job of 300 s writes its row 23 times with the default heartbeat of 15 s: the creation, the claim, 20
heartbeats and the end. At list prices of us-east-1, in USD for a million:

    a write of 1 KB                       0.625
    PutObject and one GetObject of S3     5.00 + 0.40 = 5.40
    each KB that the row grows            23 * 0.625 = 14.4

So a text in the bucket costs as much as 5.40 / 0.625 = 8.6 writes of one more KB. A text that fits into the KB that the
row has begun costs nothing. A text that does not fit belongs into the bucket, unless the job writes its row less than 9
times, that is within about 90 s. For such a short job the bucket costs at most 5.4 millionths of a USD more.

A result is different: the last write contains it. `base.settings.MAX_INLINE_BYTES` has its limit.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
https://aws.amazon.com/dynamodb/pricing/on-demand/ and https://aws.amazon.com/s3/pricing/
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import cast

from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobRecord, StoredFile

_KB = 1024
# What a claim adds to a new row: the lease, the version of the code and an entry of the history.
_CLAIM_ADDS = 120
# What the work adds: progress, usage and cost, the prompts of two stages, and one model.
_WORK_ADDS = 230
_NUMBER_BYTES = 4  # about one byte for each two digits, and some more
_TIME_BYTES = 8
_ENTRY_BYTES = 1  # of an element of a list or a map, besides its own bytes
_CONTAINER_BYTES = 3
# These fields are also part of an index key, which has the tenant in front.
_INDEXED = {"status": "tenant_status", "client": "tenant_client", "subject": "tenant_subject"}
_KEY_BYTES = len("tenant" + "item" + "job#")
_DUE_SHARD_BYTES = len("due_shard" + "0")


def bytes_left(job: JobRecord) -> int:
    """Return how many more bytes cost nothing: they fit into the KB that the row has begun.

    Leaves room for what the claim and the work add to an ordinary row.
    """
    adds = _WORK_ADDS if job.fence else _CLAIM_ADDS + _WORK_ADDS
    return -(row_bytes(job) + adds) % _KB


def row_bytes(job: JobRecord) -> int:
    """Return about how many bytes the row of a job has, names and values. It is within 10 % for ordinary rows."""
    size = _KEY_BYTES + _DUE_SHARD_BYTES
    for name, value in vars(job).items():
        if not value and not isinstance(value, int):  # not stored, or with a name only
            continue
        value_bytes = _bytes(value)
        size += value_bytes if name in ("tenant", "job_id") else len(name) + value_bytes
        if name in _INDEXED:
            size += len(_INDEXED[name]) + len(job.tenant) + 1 + value_bytes
    return size


def _bytes(value: object) -> int:
    kind = type(value)
    if kind is str or isinstance(value, Enum):
        text = str(value)
        return len(text) if text.isascii() else len(text.encode(errors="replace"))
    if kind is int:
        return _NUMBER_BYTES
    if kind is datetime:
        return _TIME_BYTES
    if kind is Usage or kind is StoredFile:  # stored as one text
        return len(" ".join(map(str, vars(value).values())))
    if isinstance(value, Mapping):
        return _map_bytes(value.items())
    if kind is tuple:
        return _CONTAINER_BYTES + sum(_bytes(each) + _ENTRY_BYTES for each in cast("tuple[object]", value))
    # Other values of a row are dataclasses, stored as maps, and prices.
    return _map_bytes(vars(value).items()) if hasattr(value, "__dict__") else _NUMBER_BYTES


def _map_bytes(items: Iterable[tuple[str, object]]) -> int:
    return _CONTAINER_BYTES + sum(len(name) + _bytes(each) + _ENTRY_BYTES for name, each in items if each is not None)
