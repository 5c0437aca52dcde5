"""Reads records of the job table's DynamoDB stream."""

from collections.abc import Mapping
from typing import Any

from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.stores.items import from_item
from analysis_jobs.stores.tombstones import is_tombstone


def read_change(record: Mapping[str, Any]) -> RowChange | None:
    """Return the change of a job's row; None for a deleted or erased row and for a row that is not a job.

    Deleted rows belong to jobs that ended long ago. The table also holds subjects and idempotency keys.
    """
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE" or not change["Keys"]["item"]["S"].startswith("job#"):
        return None
    if is_tombstone(change["NewImage"]):
        return None
    before = change.get("OldImage")
    return RowChange(from_item(change["NewImage"]), None if before is None else from_item(before))
