"""The job store on DynamoDB. The conditions of its writes come from the table of transitions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import merge
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis_jobs.base.batches import batches
from analysis_jobs.base.clock import Clock, from_ms, to_ms
from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, RetryCount
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    Page,
    Step,
    StoredOutcome,
    Superseded,
    WriteConflict,
    require_read,
)
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord, Listing
from analysis_jobs.jobs.transitions import RETRY, Transition
from analysis_jobs.stores.items import (
    DUE_SHARDS,
    LEASE_ONLY,
    Item,
    as_read,
    from_item,
    index_value,
    is_held,
    job_item_key,
    key_of,
    to_item,
)
from analysis_jobs.stores.pointers import (
    Put,
    counted_put,
    idempotency_item_key,
    idempotency_put,
    rate_key,
    rate_pointer_put,
    read_rate_pointer,
    read_stored_outcome,
    read_subject_pointer,
    subject_key,
    subject_pointer_put,
    subject_pointer_update,
    unversioned_pointer_put,
)
from analysis_jobs.stores.tombstones import existing_job, is_tombstone
from analysis_jobs.stores.updates import Update

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Tries of a transaction. DynamoDB cancels one of two concurrent submissions with the same idempotency key or subject.
_CONFLICT_TRIES = 8
_BATCH_GET_LIMIT = 100
_CHECK_FAILED = "ConditionalCheckFailed"
_CONFLICT = "TransactionConflict"


class DynamoJobStore:
    """Stores each job as one item. See `items` and `pointers` for the layout of the table."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def create(
        self, job: JobRecord, idempotency: IdempotencyKey | None, pointer_until: datetime | None = None
    ) -> Created | StoredOutcome:
        """See `JobStore.create`. One request, and a second one if the key was used before."""
        writes = [self._put_new(to_item(job))]
        if job.subject is not None:
            writes.append(self._put(unversioned_pointer_put(job, pointer_until)))
        if idempotency is not None:
            writes.append(self._put_idempotency_key(job, idempotency))
        if len(writes) == 1:
            # Ids are unique (80 random bits). If the row exists, an earlier try of this request wrote it.
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.put_item(**writes[0])
            return Created(job)
        for _ in range(_CONFLICT_TRIES):
            failed = self._transact([{"Put": write} for write in writes])
            # If the row exists, an earlier try of this request wrote it.
            if not failed or failed[0] == _CHECK_FAILED:
                return Created(job)
            if idempotency is not None and _CHECK_FAILED in failed:
                stored = self._stored_outcome(job.tenant, idempotency)
                # With our job id, an earlier try of this request succeeded.
                return Created(job) if stored.job_id == job.job_id else stored
            self._pause()
        raise TimeoutError(f"job {job.job_id}: {_CONFLICT_TRIES} conflicting submissions in a row")

    def stored_outcome(self, tenant: str, idempotency: IdempotencyKey, now: datetime) -> StoredOutcome | None:
        """See `JobStore.stored_outcome`. One strongly consistent read."""
        return read_stored_outcome(self._get(idempotency_item_key(tenant, idempotency)), now)

    def read_admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, StoredOutcome | None]:
        """See `JobStore.read_admission_state`. One batch of strongly consistent reads, and one of the newest job."""
        subject = subject_key(admission_key.tenant, admission_key.analysis, admission_key.subject)
        rate = rate_key(admission_key)
        key = idempotency_item_key(admission_key.tenant, idempotency) if idempotency else None
        found = {item["item"]["S"]: item for item in self._batch([k for k in (subject, rate, key) if k])}
        pointer = read_subject_pointer(found.get(subject["item"]["S"]))
        used = read_stored_outcome(found.get(key["item"]["S"]) if key else None, now)
        # Read the pointer first. A later retry of an ended job changes the pointer's version.
        latest = self.get(JobKey(admission_key.tenant, pointer.job_id)) if pointer and not used else None
        rates = read_rate_pointer(found.get(rate["item"]["S"]) if rate else None)
        return AdmissionState(pointer, latest, rates), used

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """See `JobStore.admit`. One request."""
        writes = [self._put_new(to_item(job)), self._put(subject_pointer_put(admission_write))]
        if rate := rate_pointer_put(admission_write):
            writes.append(self._put(rate))
        if idempotency:
            writes.append(self._put_idempotency_key(job, idempotency))
        failed = self._transact([{"Put": write} for write in writes])
        # If the row exists, an earlier try of this request wrote it.
        return Created(job) if not failed or failed[0] == _CHECK_FAILED else WriteConflict()

    def record_outcome(
        self, tenant: str, idempotency: IdempotencyKey, outcome: StoredOutcome, now: datetime
    ) -> StoredOutcome | None:
        """See `JobStore.record_outcome`. One request, and a second one if the key was used before."""
        try:
            self._client.put_item(**self._put(idempotency_put(tenant, idempotency, outcome, now)))
        except self._client.exceptions.ConditionalCheckFailedException:
            return self._stored_outcome(tenant, idempotency)
        return None

    def retry(  # noqa: PLR0913 - the parts of one transaction
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,
        newest_only: bool,
        counted: RetryCount | None = None,
    ) -> Applied | ConditionFailed | Superseded | WriteConflict:
        """See `JobStore.retry`. One transaction, and one read of the result."""
        row = Update(job.key, RETRY, changes, now, job).arguments() | {"Key": job_item_key(job.key)}
        pointer = subject_pointer_update(job, pointer_until, newest_only=newest_only)
        writes: list[Any] = [{"Update": {"TableName": self._table, **update}} for update in (row, pointer)]
        if counted and (rate := counted_put(counted)):
            writes.append({"Put": self._put(rate)})
        failed = self._transact(writes)
        if _CHECK_FAILED in failed[1:2]:
            newest = read_subject_pointer(self._get(pointer["Key"]))
            return Superseded(newest.job_id if newest else "")
        if _CHECK_FAILED in failed[2:] and failed[0] != _CHECK_FAILED:
            return WriteConflict()
        current = self.get(job.key)
        return Applied(current) if not failed and current else ConditionFailed(current)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`. One strongly consistent read."""
        return existing_job(self._get(job_item_key(key)))

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`. Two strongly consistent reads."""
        pointer = self._get(subject_key(tenant, analysis, subject))
        return self.get(JobKey(tenant, pointer["job_id"]["S"])) if pointer else None

    def transition(
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        *,
        now: datetime,
        read: JobRecord | None = None,
    ) -> Applied | ConditionFailed:
        """See `JobStore.transition`. One conditional write. If the condition fails, the response contains the row."""
        require_read(transition, read)
        update = Update(key, transition, changes, now, read).arguments()
        for _ in range(_CONFLICT_TRIES):
            try:
                response = self._client.update_item(
                    TableName=self._table,
                    Key=job_item_key(key),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                stored: Any = error.response.get("Item")
                return ConditionFailed(existing_job(stored), erased=stored is not None and is_tombstone(stored))
            except self._client.exceptions.TransactionConflictException:
                self._pause()  # a transaction has the row for some milliseconds: a retry, or the sweeper's steps
            else:
                return Applied(from_item(response["Attributes"]))
        raise TimeoutError(f"job {key.job_id}: {_CONFLICT_TRIES} conflicting transactions in a row")

    def transition_all(self, steps: Sequence[Step]) -> Sequence[JobRecord] | None:
        """See `JobStore.transition_all`. One transaction."""
        # botocore gives it a token, so a transaction that is sent again after a lost reply counts as the same one.
        failed = self._transact([{"Update": self._step(step)} for step in steps])
        return None if failed else [_row_after(step) for step in steps]

    def _step(self, step: Step) -> dict[str, Any]:
        read = step.read
        update = Update(read.key, step.transition, step.changes, step.now, read, if_version=read.version)
        return {"TableName": self._table, "Key": job_item_key(read.key), **update.arguments()}

    def list_jobs(self, listing: Listing) -> Page:
        """See `JobStore.list_jobs`. One query. With a filter also a batch read: the indexes contain only keys."""
        rows: list[Mapping[str, Any]] = []
        first, last = _id_range(listing)
        if first > last:  # DynamoDB rejects such a range
            return Page([], None)
        query = self._listing_query(listing, first, last)
        while len(rows) <= listing.limit:
            response = self._client.query(**query)
            rows += [item for item in response["Items"] if not is_tombstone(item)]
            if "LastEvaluatedKey" not in response:
                break
            query["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        page = rows[: listing.limit]
        more = key_of(page[-1]).job_id if len(rows) > listing.limit else None
        if "IndexName" not in query:
            return Page([from_item(row) for row in page], more)
        jobs = self._batch_get([key_of(row) for row in page])
        # The index is eventually consistent: some rows may have another status by now.
        return Page([job for job in jobs if listing.status in (None, job.status)], more)

    def due(self, now: datetime) -> Iterator[JobKey]:
        """See `JobStore.due`. Queries the sparse index, so it reads only overdue jobs."""
        shards = [self._due_in(shard, now) for shard in range(DUE_SHARDS)]
        yield from (key_of(item) for item in merge(*shards, key=lambda item: int(item["due_at"]["N"])))

    def _due_in(self, shard: int, now: datetime) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of one shard of the index, the longest overdue first."""
        pages = self._client.get_paginator("query")
        for page in pages.paginate(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues={":shard": {"S": str(shard)}, ":now": {"N": str(to_ms(now))}},
        ):
            yield from page["Items"]

    def held(self, keys: Sequence[JobKey], now: datetime) -> frozenset[JobKey]:
        """See `JobStore.held`. One request. Only the lease is returned: botocore takes long to read whole rows."""
        found = self._batch([job_item_key(key) for key in keys], **LEASE_ONLY)
        return frozenset(key_of(item) for item in found if is_held(item, now))

    def read_many(self, keys: Sequence[JobKey]) -> dict[JobKey, JobRecord]:
        """See `JobStore.read_many`. One request."""
        return {job.key: job for job in self._batch_get(keys)}

    def claimable(self, priority: str, limit: int) -> list[JobKey]:
        """See `JobStore.claimable`. One query of the sparse index."""
        response = self._client.query(
            TableName=self._table,
            IndexName="waiting",
            KeyConditionExpression="#lane = :lane",
            ExpressionAttributeNames={"#lane": "lane"},
            ExpressionAttributeValues={":lane": {"S": priority}},
            Limit=limit,
        )
        return [key_of(item) for item in response["Items"]]

    def _put(self, put: Put) -> dict[str, Any]:
        return {"TableName": self._table, **put}

    def _put_new(self, item: Item) -> dict[str, Any]:
        # A delayed duplicate of this request must not reset a job that is already running.
        return self._put(
            {
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#item)",
                "ExpressionAttributeNames": {"#item": "item"},
            }
        )

    def _put_idempotency_key(self, job: JobRecord, idempotency: IdempotencyKey) -> dict[str, Any]:
        outcome = StoredOutcome(job.job_id, idempotency.body_digest)
        return self._put(idempotency_put(job.tenant, idempotency, outcome, job.created_at))

    def _transact(self, writes: list[dict[str, Any]]) -> list[str]:
        """Run a transaction. Return an empty list if it succeeded, else the cancellation code of each write.

        Raises botocore's error if the cause is neither a failed condition nor a conflict.
        """
        try:
            self._client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
            if {_CHECK_FAILED, _CONFLICT} & set(reasons):
                return reasons
            raise
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionInProgressException":
                return [_CONFLICT]
            raise
        return []

    def _stored_outcome(self, tenant: str, idempotency: IdempotencyKey) -> StoredOutcome:
        used = read_stored_outcome(self._get(idempotency_item_key(tenant, idempotency)))
        if used is None:
            raise LookupError("the idempotency key disappeared between two requests")
        return used

    def _get(self, key: Item) -> Mapping[str, Any] | None:
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _pause(self) -> None:
        self._clock.sleep(timedelta(seconds=random.uniform(0.02, 0.1)))  # noqa: S311 - jitter needs no secure random

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

    def _batch_get(self, keys: Sequence[JobKey]) -> list[JobRecord]:
        found: dict[JobKey, JobRecord] = {}
        for some in batches(keys, _BATCH_GET_LIMIT):
            wanted = [job_item_key(key) for key in some]
            found |= {key_of(item): from_item(item) for item in self._batch(wanted) if not is_tombstone(item)}
        return [found[key] for key in keys if key in found]

    def _batch(self, wanted: Sequence[Any], **projection: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the existing items of up to 100 keys, in any order. The reads are strongly consistent."""
        while wanted:
            reads: Any = {"Keys": wanted, "ConsistentRead": True, **projection}
            response = self._client.batch_get_item(RequestItems={self._table: reads})
            yield from response["Responses"].get(self._table, [])
            unprocessed = response["UnprocessedKeys"].get(self._table)
            wanted = list(unprocessed["Keys"]) if unprocessed else []
            if wanted:
                self._pause()


def _row_after(step: Step) -> JobRecord:
    """Return the row after a step that has landed, as a read would return it."""
    values = {name: as_read(name, value) for name, value in step.changes.values.items()}
    return replace(step, changes=Changes(values), now=from_ms(to_ms(step.now))).after


def _id_range(listing: Listing) -> tuple[str, str]:
    """Return the range of ids that may be on the page. "~" sorts after every id."""
    last = listing.last_id or "~"
    if listing.before_id:
        # The largest key below the cursor. (An ExclusiveStartKey would be shorter, but must be within the range.)
        last = min(last, f"{listing.before_id[:-1]}{chr(ord(listing.before_id[-1]) - 1)}~")
    return listing.first_id or "", last
