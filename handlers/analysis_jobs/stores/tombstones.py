"""Tombstones of erased jobs in the job table, and how the other items of the table are read for an erasure.

A tombstone has the key of the job. It has none of the attributes that a transition's condition compares, so no
transition applies to it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analysis_jobs.base.clock import from_ms, to_ms
from analysis_jobs.jobs.erasing import OtherItem, Remains, Tombstone
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.stores.items import Item, from_item, index_value, job_item_key, key_of

_KINDS = {"key": "idempotency_key", "subject": "subject_pointer", "rate": "rate_pointer", "wait": "waiting_slot"}


def is_tombstone(item: Mapping[str, Any]) -> bool:
    """Tell whether an item is the tombstone of an erased job."""
    return "erased_at" in item


def existing_job(item: Mapping[str, Any] | None) -> JobRecord | None:
    """Return the job of an item; None if there is no item, or only a tombstone."""
    return None if item is None or is_tombstone(item) else from_item(item)


def tombstone_item(tombstone: Tombstone) -> Item:
    """Return the item of a tombstone with its remains. It does not expire: an erasure must be able to go on."""
    item = job_item_key(tombstone.key) | {"erased_at": _ms(tombstone.erased_at)}
    remains = tombstone.remains
    if remains is None:
        return item
    if remains.subject is not None:
        item["tenant_subject"] = {"S": index_value(tombstone.key.tenant, remains.subject)}
    return item | {
        "remains": {
            "M": {
                "folder": {"S": remains.folder},
                "analysis": {"S": remains.analysis},
                "created_at": _ms(remains.created_at),
                "quiet_at": _ms(remains.quiet_at),
                "documents": {"L": [{"S": document} for document in remains.documents]},
                **({} if remains.subject is None else {"subject": {"S": remains.subject}}),
            }
        }
    }


def read_item(item: Mapping[str, Any]) -> JobRecord | Tombstone | OtherItem:
    """Return what an item of the job table is. A row that cannot be read is an `OtherItem` of the kind `broken_row`."""
    sort_key = item["item"]["S"]
    kind, _, rest = sort_key.partition("#")
    if kind == "job":
        if is_tombstone(item):
            return _tombstone(item)
        try:
            return from_item(item)
        except (ArithmeticError, KeyError, TypeError, ValueError):
            return OtherItem("broken_row", sort_key, frozenset({rest}))
    analysis, _, name = rest.partition("#") if kind in {"subject", "rate"} else ("", "", "")
    named = [item[at]["S"] for at in ("job_id",) if at in item]
    if "analysed" in item:
        named.append(item["analysed"]["M"]["job_id"]["S"])
    return OtherItem(
        _KINDS.get(kind, kind),
        sort_key,
        frozenset(named),
        analysis,
        name,
        tuple(from_ms(int(at["N"])) for at in item.get("admitted", {}).get("L", ())),
        int(item["version"]["N"]) if "version" in item else None,
        item.get("job_id", {}).get("S"),
    )


def unchanged(item: OtherItem) -> dict[str, Any]:
    """Return the condition that an item still has the version and the job that were read."""
    clauses: list[str] = []
    values: dict[str, Any] = {}
    for name, value in (
        ("version", None if item.version is None else {"N": str(item.version)}),
        ("job_id", None if item.points_to is None else {"S": item.points_to}),
    ):
        clauses.append(f"attribute_not_exists(#{name})" if value is None else f"#{name} = :{name}")
        values |= {} if value is None else {f":{name}": value}
    return {
        "ConditionExpression": " AND ".join(clauses),
        "ExpressionAttributeNames": {"#version": "version", "#job_id": "job_id"},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _tombstone(item: Mapping[str, Any]) -> Tombstone:
    found = item.get("remains", {}).get("M")
    remains = found and Remains(
        found["folder"]["S"],
        found["analysis"]["S"],
        from_ms(int(found["created_at"]["N"])),
        from_ms(int(found["quiet_at"]["N"])),
        found.get("subject", {}).get("S"),
        tuple(document["S"] for document in found["documents"]["L"]),
    )
    return Tombstone(key_of(item), from_ms(int(item["erased_at"]["N"])), remains)


def _ms(moment: datetime) -> dict[str, str]:
    return {"N": str(to_ms(moment))}
