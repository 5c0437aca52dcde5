"""What stands beside the jobs in their table, as DynamoDB items: a subject's newest job, a rate, an idempotency key."""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

from analysis_jobs.base.clock import from_ms, to_ms
from analysis_jobs.jobs.admission import (
    AdmissionKey,
    AdmissionWrite,
    LastAnalysis,
    Outcome,
    RatePointer,
    SubjectPointer,
)
from analysis_jobs.jobs.ports import Existing
from analysis_jobs.jobs.record import IdempotencyKey, JobRecord
from analysis_jobs.stores.items import Item

type Put = dict[str, Any]


def subject_key(tenant: str, analysis: str, subject: str) -> Item:
    """Return the key of a subject's pointer."""
    return {"tenant": {"S": tenant}, "item": {"S": f"subject#{analysis}#{subject}"}}


def rate_key(admission_key: AdmissionKey) -> Item | None:
    """Return the key of a rate's pointer, None without a rate."""
    return (
        {"tenant": {"S": admission_key.tenant}, "item": {"S": f"rate#{admission_key.analysis}#{admission_key.rate}"}}
        if admission_key.rate
        else None
    )


def idempotency_item_key(tenant: str, idempotency: IdempotencyKey) -> Item:
    """Return the key of an idempotency key's item."""
    return {"tenant": {"S": tenant}, "item": {"S": f"key#{idempotency.digest}"}}


def plain_pointer(job: JobRecord, until: datetime | None) -> Put:
    """Return what makes `job` its subject's newest, whatever was there: no policy looks at it."""
    item = subject_key(job.tenant, job.analysis, str(job.subject)) | {"job_id": {"S": job.job_id}}
    return {"Item": item | ({"expires_at": _seconds(until)} if until else {})}


def subject_pointer(admission_write: AdmissionWrite) -> Put:
    """Return what makes an admitted job its subject's newest, if the pointer is the one that was seen."""
    admission_key, pointer, seen = admission_write.admission_key, admission_write.subject, admission_write.seen.subject
    item = subject_key(admission_key.tenant, admission_key.analysis, admission_key.subject) | {
        "job_id": {"S": pointer.job_id},
        "version": _number(pointer.version),
        "expires_at": _seconds(admission_write.subject_until),
    }
    if pointer.analysed:
        item["analysed"] = {
            "M": {
                "job_id": {"S": pointer.analysed.job_id},
                "submitted_at": _number(to_ms(pointer.analysed.submitted_at)),
                "finished_at": _number(to_ms(pointer.analysed.finished_at)),
            }
        }
    return {"Item": item} | _as_seen(seen, seen.job_id if seen else "")


def rate_pointer(admission_write: AdmissionWrite) -> Put | None:
    """Return what counts an admitted job, if nobody has counted meanwhile; None without a rate."""
    key, rate, until = rate_key(admission_write.admission_key), admission_write.rate, admission_write.rate_until
    if key is None or rate is None or until is None:
        return None
    item = key | {
        "admitted": {"L": [_number(to_ms(at)) for at in rate.admitted]},
        "version": _number(rate.version),
        "expires_at": _seconds(until),
    }
    return {"Item": item} | _as_seen(admission_write.seen.rate, None)


def used_key(tenant: str, idempotency: IdempotencyKey, answered: Existing, now: datetime) -> Put:
    """Return what keeps an idempotency key, if it was not used before."""
    item = idempotency_item_key(tenant, idempotency) | {
        "body_digest": {"S": idempotency.body_digest},
        "expires_at": _number(int(idempotency.expires_at.timestamp())),
    }
    if answered.job_id:
        item["job_id"] = {"S": answered.job_id}
    if answered.outcome is not Outcome.CREATED:
        item |= {"outcome": {"S": str(answered.outcome)}, "reason": {"S": answered.reason}}
    return {
        "Item": item,
        # TTL deletes late, up to days: an expired key counts as gone.
        "ConditionExpression": "attribute_not_exists(#item) OR #expires_at <= :now",
        "ExpressionAttributeNames": {"#item": "item", "#expires_at": "expires_at"},
        "ExpressionAttributeValues": {":now": _number(int(now.timestamp()))},
    }


def prolonged(job: JobRecord, until: datetime, *, newest_only: bool) -> dict[str, Any]:
    """Return the update of a subject's pointer when `job` runs again; with `newest_only` it must point to this job."""
    update = {
        "Key": subject_key(job.tenant, job.analysis, str(job.subject)),
        "UpdateExpression": (
            "SET #version = if_not_exists(#version, :zero) + :one, #expires_at = :until, "
            "#job_id = if_not_exists(#job_id, :job_id)"
        ),
        "ExpressionAttributeNames": {"#version": "version", "#expires_at": "expires_at", "#job_id": "job_id"},
        "ExpressionAttributeValues": {
            ":zero": _number(0),
            ":one": _number(1),
            ":until": _seconds(until),
            ":job_id": {"S": job.job_id},
        },
    }
    if newest_only:
        update["ConditionExpression"] = "attribute_not_exists(#job_id) OR #job_id = :job_id"
    return update


def read_subject(item: Mapping[str, Any] | None) -> SubjectPointer | None:
    """Return a subject's pointer."""
    if item is None:
        return None
    analysed = item.get("analysed", {}).get("M")
    return SubjectPointer(
        item["job_id"]["S"],
        int(item["version"]["N"]) if "version" in item else 0,
        LastAnalysis(analysed["job_id"]["S"], _time(analysed["submitted_at"]), _time(analysed["finished_at"]))
        if analysed
        else None,
    )


def read_rate(item: Mapping[str, Any] | None) -> RatePointer | None:
    """Return a rate's pointer."""
    return RatePointer(tuple(_time(at) for at in item["admitted"]["L"]), int(item["version"]["N"])) if item else None


def read_used(item: Mapping[str, Any] | None) -> Existing | None:
    """Return what an idempotency key was used for."""
    if item is None:
        return None
    given = {name: item[name]["S"] for name in ("job_id", "body_digest", "outcome", "reason") if name in item}
    return Existing(
        given.get("job_id"), given["body_digest"], Outcome(given.get("outcome", "created")), given.get("reason", "{}")
    )


def _as_seen(seen: SubjectPointer | RatePointer | None, job_id: str | None) -> Put:
    """Return the condition that a pointer is still what was seen."""
    if seen is None:
        return {
            "ConditionExpression": "attribute_not_exists(#item)",
            "ExpressionAttributeNames": {"#item": "item"},
        }
    if seen.version == 0:  # written where no policy looked: its job tells it from another
        return {
            "ConditionExpression": "#job_id = :job_id AND attribute_not_exists(#version)",
            "ExpressionAttributeNames": {"#job_id": "job_id", "#version": "version"},
            "ExpressionAttributeValues": {":job_id": {"S": job_id}},
        }
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": _number(seen.version)},
    }


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _seconds(moment: datetime) -> dict[str, str]:
    return _number(ceil(moment.timestamp()))


def _time(value: Mapping[str, str]) -> datetime:
    return from_ms(int(value["N"]))
