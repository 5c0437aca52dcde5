"""The table of jobs on DynamoDB. Every condition comes from the table of transitions."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis_jobs.clock import Clock, to_ms
from analysis_jobs.record import Changes, HistoryEntry, IdempotencyKey, JobKey, JobRecord, Listing, trimmed_history
from analysis_jobs.stores.items import (
    DUE_SHARDS,
    Item,
    attributes,
    from_item,
    history_item,
    index_value,
    job_item_key,
    key_of,
    to_item,
)
from analysis_jobs.stores.ports import Created, Existing, Landed, Page, Refused, require_read
from analysis_jobs.transitions import Guard, Transition

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_CONDITIONS: dict[Guard, str] = {
    Guard.TOKEN: "#fence = :fence",
    Guard.LEASE_EXPIRED: "(attribute_not_exists(#lease_until) OR #lease_until <= :now)",
    Guard.ATTEMPTS_LEFT: "#attempt < #max_attempts",
    Guard.ATTEMPTS_SPENT: "#attempt >= #max_attempts",
    Guard.WAITED: "(attribute_not_exists(#not_before) OR #not_before <= :now)",
    Guard.IN_TIME: "#deadline > :now",
    Guard.PAST_DEADLINE: "#deadline <= :now",
    Guard.UNCHANGED: "#version = :version",
    Guard.CANCEL_ASKED: "attribute_exists(#cancel_asked_at)",
    Guard.NOT_CANCELLED: "attribute_not_exists(#cancel_asked_at)",
}
# Two submissions of one idempotency key, or of one subject, at the same instant: DynamoDB cancels one of the two.
_CONFLICT_TRIES = 8
_BATCH_GET_LIMIT = 100


class DynamoJobStore:
    """One item a job, one a subject (its newest job), one an idempotency key; see `items` for the layout."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def create(self, job: JobRecord, idempotency: IdempotencyKey | None) -> Created | Existing:
        """See `JobStore.create`. One request, and one more where the key was used before."""
        writes = [self._put_new(to_item(job))]
        if job.subject is not None:
            pointer = _subject_key(job.tenant, job.analysis, job.subject) | {"job_id": {"S": job.job_id}}
            writes.append(self._put(pointer))
        if idempotency is not None:
            writes.append(self._put_idempotency_key(job, idempotency))
        if len(writes) == 1:
            # An id is fresh (80 random bits): a row of this id is our own, from an earlier try of this request.
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.put_item(**writes[0])
            return Created(job)
        for _ in range(_CONFLICT_TRIES):
            outcome = self._transact(writes)
            if outcome is None or (idempotency is None and outcome == "ConditionalCheckFailed"):
                return Created(job)
            if idempotency is not None and outcome == "ConditionalCheckFailed":
                existing = self._existing(job.tenant, idempotency)
                # Our own write, where an earlier try landed after all.
                return Created(job) if existing.job_id == job.job_id else existing
            self._pause()
        raise TimeoutError(f"job {job.job_id}: {_CONFLICT_TRIES} conflicting submissions in a row")

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`. One strongly consistent read."""
        item = self._get(job_item_key(key))
        return from_item(item) if item else None

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`. Two strongly consistent reads, so a job is seen as soon as it was submitted."""
        pointer = self._get(_subject_key(tenant, analysis, subject))
        return self.get(JobKey(tenant, pointer["job_id"]["S"])) if pointer else None

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Landed | Refused:
        """See `JobStore.transition`. One conditional write, whose refusal brings the row along."""
        require_read(transition, read)
        update = _Update(key, transition, changes, now, read)
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key=job_item_key(key),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **update.arguments(),
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            stored = error.response.get("Item")
            return Refused(from_item(stored) if isinstance(stored, dict) else None)
        return Landed(from_item(response["Attributes"]))

    def list_jobs(self, listing: Listing) -> Page:
        """See `JobStore.list_jobs`. One query, and a batch read where an index (which holds keys only) was asked."""
        rows: list[Mapping[str, Any]] = []
        first, last = _range(listing)
        if first > last:  # DynamoDB calls that an error
            return Page([], None)
        query = self._listing_query(listing, first, last)
        while len(rows) <= listing.limit:
            response = self._client.query(**query)
            rows += response["Items"]
            if "LastEvaluatedKey" not in response:
                break
            query["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        page = rows[: listing.limit]
        more = key_of(page[-1]).job_id if len(rows) > listing.limit else None
        if "IndexName" not in query:
            return Page([from_item(row) for row in page], more)
        jobs = self._batch_get([key_of(row) for row in page])
        # An index is a moment behind its table: what it says no longer holds for every row.
        return Page([job for job in jobs if listing.status in (None, job.status)], more)

    def due(self, now: datetime) -> Iterator[JobKey]:
        """See `JobStore.due`. Reads the sparse index only: no row that is not overdue.

        The shards come in any order, so that a sweep which runs out of time starves none of them.
        """
        pages = self._client.get_paginator("query")
        for shard in random.sample(range(DUE_SHARDS), DUE_SHARDS):
            for page in pages.paginate(
                TableName=self._table,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues={
                    ":shard": {"S": str(shard)},
                    ":now": {"N": str(to_ms(now))},
                },
            ):
                yield from (key_of(item) for item in page["Items"])

    def _put(self, item: Item) -> dict[str, Any]:
        return {"TableName": self._table, "Item": item}

    def _put_new(self, item: Item) -> dict[str, Any]:
        # A copy of this request that arrives late must not put a job that is at work back to its beginning.
        return self._put(item) | {
            "ConditionExpression": "attribute_not_exists(#item)",
            "ExpressionAttributeNames": {"#item": "item"},
        }

    def _put_idempotency_key(self, job: JobRecord, idempotency: IdempotencyKey) -> dict[str, Any]:
        item = _idempotency_key(job.tenant, idempotency) | {
            "job_id": {"S": job.job_id},
            "body_digest": {"S": idempotency.body_digest},
            "expires_at": {"N": str(int(idempotency.expires_at.timestamp()))},
        }
        return self._put(item) | {
            # TTL deletes late, up to days: an expired key counts as gone.
            "ConditionExpression": "attribute_not_exists(#item) OR #expires_at <= :now",
            "ExpressionAttributeNames": {"#item": "item", "#expires_at": "expires_at"},
            "ExpressionAttributeValues": {":now": {"N": str(int(job.created_at.timestamp()))}},
        }

    def _transact(self, writes: list[dict[str, Any]]) -> str | None:
        """Write all or nothing. Returns None where it landed, else why it did not."""
        try:
            self._client.transact_write_items(TransactItems=[{"Put": write} for write in writes])  # type: ignore[typeddict-item]
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason["Code"] for reason in error.response["CancellationReasons"]}
            for known in ("ConditionalCheckFailed", "TransactionConflict"):
                if known in reasons:
                    return known
            raise
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionInProgressException":
                return "TransactionConflict"
            raise
        return None

    def _existing(self, tenant: str, idempotency: IdempotencyKey) -> Existing:
        item = self._get(_idempotency_key(tenant, idempotency))
        if item is None:
            raise LookupError("an idempotency key vanished between two requests")
        return Existing(item["job_id"]["S"], item["body_digest"]["S"])

    def _get(self, key: Item) -> Mapping[str, Any] | None:
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _pause(self) -> None:
        self._clock.sleep(timedelta(seconds=random.uniform(0.02, 0.1)))  # noqa: S311 - jitter, not a secret

    def _listing_query(self, listing: Listing, first: str, last: str) -> dict[str, Any]:
        filters = {"status": listing.status, "client": listing.client, "subject": listing.subject}
        name, value = next(((name, value) for name, value in filters.items() if value is not None), (None, None))
        hash_name = f"tenant_{name}" if name else "tenant"
        hash_value = {"S": index_value(listing.tenant, str(value)) if name else listing.tenant}
        query = {
            "TableName": self._table,
            "KeyConditionExpression": "#hash = :hash AND #item BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#hash": hash_name, "#item": "item"},
            "ExpressionAttributeValues": {
                ":hash": hash_value,
                ":first": {"S": f"job#{first}"},
                ":last": {"S": f"job#{last}"},
            },
            "ScanIndexForward": False,
            "Limit": listing.limit + 1,
        }
        return query | ({"IndexName": f"by-{name}"} if name else {"ConsistentRead": True})

    def _batch_get(self, keys: list[JobKey]) -> list[JobRecord]:
        found: dict[JobKey, JobRecord] = {}
        for start in range(0, len(keys), _BATCH_GET_LIMIT):
            wanted = [job_item_key(key) for key in keys[start : start + _BATCH_GET_LIMIT]]
            while wanted:
                response = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}}
                )
                found |= {key_of(item): from_item(item) for item in response["Responses"].get(self._table, [])}
                unprocessed = response["UnprocessedKeys"].get(self._table)
                wanted = list(unprocessed["Keys"]) if unprocessed else []
                if wanted:
                    self._pause()
        return [found[key] for key in keys if key in found]


class _Update:
    """One transition as the arguments of `UpdateItem`."""

    def __init__(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        now: datetime,
        read: JobRecord | None,
    ) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        for name, value in ({"status": str(transition.target)} | dict(changes.values)).items():
            for attribute, serialized in attributes(key, name, value).items():
                self._assign(attribute, serialized)
        for name, step in {"version": 1, **transition.counters}.items():
            self._sets.append(f"{self._name(name)} = {self._name(name)} + {self._value(f'add_{name}', _number(step))}")
        if transition.recorded:
            self._record(HistoryEntry(now, transition.name, transition.target), transition, read)
        self._condition = " OR ".join(
            self._source(str(status), guards, now, read) for status, guards in transition.sources.items()
        )

    def arguments(self) -> dict[str, Any]:
        remove = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        return {
            "UpdateExpression": f"SET {', '.join(self._sets)}{remove}",
            "ConditionExpression": self._condition,
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _assign(self, name: str, value: Any) -> None:
        if value is None:
            self._removes.append(self._name(name))
        else:
            self._sets.append(f"{self._name(name)} = {self._value(name, value)}")

    def _record(self, entry: HistoryEntry, transition: Transition, read: JobRecord | None) -> None:
        history = self._name("history")
        whole = trimmed_history(transition, entry, read)
        added = self._value("history", {"L": [history_item(entry) for entry in whole or (entry,)]})
        self._sets.append(f"{history} = {added if whole else f'list_append({history}, {added})'}")

    def _source(self, status: str, guards: frozenset[Guard], now: datetime, read: JobRecord | None) -> str:
        clauses = [f"{self._name('status')} = {self._value(f'from_{status}', {'S': status})}"]
        for guard in sorted(guards, key=lambda guard: guard.name):
            clauses.append(_CONDITIONS[guard])
            for name in re.findall(r"#(\w+)", _CONDITIONS[guard]):
                self._name(name)
            if guard is Guard.TOKEN and read:
                self._value("fence", _number(read.fence))
            if guard is Guard.UNCHANGED and read:
                self._value("version", _number(read.version))
            if ":now" in _CONDITIONS[guard]:
                self._value("now", _number(to_ms(now)))
        return f"({' AND '.join(clauses)})"

    def _name(self, name: str) -> str:
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _value(self, name: str, value: Any) -> str:
        self._values[f":{name}"] = value
        return f":{name}"


def _range(listing: Listing) -> tuple[str, str]:
    """Return the first and the last id that may be on the page; "~" sorts after every id."""
    last = listing.last_id or "~"
    if listing.before_id:
        # What sorts right below the cursor. (A start key would be shorter, but must lie within the range.)
        last = min(last, f"{listing.before_id[:-1]}{chr(ord(listing.before_id[-1]) - 1)}~")
    return listing.first_id or "", last


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _subject_key(tenant: str, analysis: str, subject: str) -> Item:
    return {"tenant": {"S": tenant}, "item": {"S": f"subject#{analysis}#{subject}"}}


def _idempotency_key(tenant: str, idempotency: IdempotencyKey) -> Item:
    return {"tenant": {"S": tenant}, "item": {"S": f"key#{idempotency.digest}"}}
