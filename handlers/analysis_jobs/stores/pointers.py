"""The other DynamoDB items of the job table: pointers of subjects and rates, and idempotency keys.

A function that returns a `Put` gives the arguments of a put request without the table name.
"""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any, TypeAlias

from analysis_jobs.base.clock import from_ms, to_ms
from analysis_jobs.jobs.admission import (
    AdmissionKey,
    AdmissionWrite,
    LastAnalysis,
    Outcome,
    RatePointer,
    RetryCount,
    SubjectPointer,
)
from analysis_jobs.jobs.key_limits import rate_sort_key, subject_sort_key
from analysis_jobs.jobs.ports import StoredOutcome
from analysis_jobs.jobs.record import IdempotencyKey, JobRecord
from analysis_jobs.stores.items import Item

Put: TypeAlias = dict[str, Any]


def subject_key(tenant: str, analysis: str, subject: str) -> Item:
    """Return the key of a subject's pointer."""
    return {"tenant": {"S": tenant}, "item": {"S": subject_sort_key(analysis, subject)}}


def rate_key(admission_key: AdmissionKey) -> Item | None:
    """Return the key of a rate's pointer, None for a policy without a rate."""
    return (
        {
            "tenant": {"S": admission_key.tenant},
            "item": {"S": rate_sort_key(admission_key.analysis, admission_key.rate)},
        }
        if admission_key.rate
        else None
    )


def idempotency_item_key(tenant: str, idempotency: IdempotencyKey) -> Item:
    """Return the key of an idempotency key's item."""
    return {"tenant": {"S": tenant}, "item": {"S": f"key#{idempotency.digest}"}}


def unversioned_pointer_put(job: JobRecord, until: datetime | None) -> Put:
    """Return the put that makes `job` the newest of its subject without a condition. For analyses without a policy."""
    item = subject_key(job.tenant, job.analysis, str(job.subject)) | {"job_id": {"S": job.job_id}}
    return {"Item": item | ({"expires_at": _seconds(until)} if until else {})}


def subject_pointer_put(admission_write: AdmissionWrite) -> Put:
    """Return the put that makes an admitted job the newest of its subject, if the pointer is unchanged."""
    admission_key, pointer = admission_write.admission_key, admission_write.subject
    expected = admission_write.expected.subject
    item = subject_key(admission_key.tenant, admission_key.analysis, admission_key.subject) | {
        "job_id": {"S": pointer.job_id},
        "version": _number(pointer.version),
        "expires_at": _seconds(admission_write.subject_until),
    }
    if pointer.last_analysis:
        item["analysed"] = {
            "M": {
                "job_id": {"S": pointer.last_analysis.job_id},
                "submitted_at": _number(to_ms(pointer.last_analysis.submitted_at)),
                "finished_at": _number(to_ms(pointer.last_analysis.finished_at)),
            }
        }
    return {"Item": item} | _unchanged_since(expected, expected.job_id if expected else "")


def rate_pointer_put(admission_write: AdmissionWrite) -> Put | None:
    """Return the put that counts an admitted job, if the rate's pointer is unchanged. None without a rate."""
    rate, until = admission_write.rate, admission_write.rate_until
    if rate is None or until is None:
        return None
    return counted_put(RetryCount(admission_write.admission_key, admission_write.expected.rate, rate, until))


def counted_put(counted: RetryCount) -> Put | None:
    """Return the put of a rate's pointer, if the stored one is unchanged. None for a policy without a rate."""
    key = rate_key(counted.admission_key)
    if key is None:
        return None
    item = key | {
        "admitted": {"L": [_number(to_ms(at)) for at in counted.rate.admitted]},
        "version": _number(counted.rate.version),
        "expires_at": _seconds(counted.until),
    }
    return {"Item": item} | _unchanged_since(counted.expected, None)


def idempotency_put(tenant: str, idempotency: IdempotencyKey, outcome: StoredOutcome, now: datetime) -> Put:
    """Return the put that stores the outcome of an idempotency key, if the key is unused."""
    item = idempotency_item_key(tenant, idempotency) | {
        "body_digest": {"S": idempotency.body_digest},
        "expires_at": _number(int(idempotency.expires_at.timestamp())),
    }
    if outcome.job_id:
        item["job_id"] = {"S": outcome.job_id}
    if outcome.outcome is not Outcome.CREATED:
        item |= {"outcome": {"S": str(outcome.outcome)}, "reason": {"S": outcome.reason}}
    return {
        "Item": item,
        # DynamoDB may delete expired items days later, so an expired key counts as unused.
        "ConditionExpression": "attribute_not_exists(#item) OR #expires_at <= :now",
        "ExpressionAttributeNames": {"#item": "item", "#expires_at": "expires_at"},
        "ExpressionAttributeValues": {":now": _number(int(now.timestamp()))},
    }


def subject_pointer_update(job: JobRecord, until: datetime, *, newest_only: bool) -> dict[str, Any]:
    """Return the update of the subject's pointer for a retry of `job`.

    It increments the version and sets the new expiry. With `newest_only` the pointer must point to `job`.
    """
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


def read_subject_pointer(item: Mapping[str, Any] | None) -> SubjectPointer | None:
    """Return the pointer of a subject from its item."""
    if item is None:
        return None
    last_analysis = item.get("analysed", {}).get("M")
    return SubjectPointer(
        item["job_id"]["S"],
        int(item["version"]["N"]) if "version" in item else 0,
        LastAnalysis(
            last_analysis["job_id"]["S"], _time(last_analysis["submitted_at"]), _time(last_analysis["finished_at"])
        )
        if last_analysis
        else None,
    )


def read_rate_pointer(item: Mapping[str, Any] | None) -> RatePointer | None:
    """Return the pointer of a rate from its item."""
    return RatePointer(tuple(_time(at) for at in item["admitted"]["L"]), int(item["version"]["N"])) if item else None


def read_stored_outcome(item: Mapping[str, Any] | None, now: datetime | None = None) -> StoredOutcome | None:
    """Return the outcome in the item of an idempotency key. None for a key that has expired by `now`."""
    if item is None or (now and int(item["expires_at"]["N"]) <= int(now.timestamp())):
        return None
    given = {name: item[name]["S"] for name in ("job_id", "body_digest", "outcome", "reason") if name in item}
    return StoredOutcome(
        given.get("job_id"), given["body_digest"], Outcome(given.get("outcome", "created")), given.get("reason", "{}")
    )


def _unchanged_since(expected: SubjectPointer | RatePointer | None, job_id: str | None) -> Put:
    """Return the condition that the stored pointer still equals `expected`."""
    if expected is None:
        return {
            "ConditionExpression": "attribute_not_exists(#item)",
            "ExpressionAttributeNames": {"#item": "item"},
        }
    if expected.version == 0:  # the pointer was written without a policy, so it has no version: compare the job
        return {
            "ConditionExpression": "#job_id = :job_id AND attribute_not_exists(#version)",
            "ExpressionAttributeNames": {"#job_id": "job_id", "#version": "version"},
            "ExpressionAttributeValues": {":job_id": {"S": job_id}},
        }
    versions = {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": _number(expected.version)},
    }
    if job_id is None:
        return versions
    # After an erasure a new pointer begins at version 1 again, so compare the job too.
    return {
        "ConditionExpression": "#version = :version AND #job_id = :job_id",
        "ExpressionAttributeNames": {"#version": "version", "#job_id": "job_id"},
        "ExpressionAttributeValues": {":version": _number(expected.version), ":job_id": {"S": job_id}},
    }


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _seconds(moment: datetime) -> dict[str, str]:
    return _number(ceil(moment.timestamp()))


def _time(value: Mapping[str, str]) -> datetime:
    return from_ms(int(value["N"]))
