"""The table of jobs on DynamoDB. Every condition comes from the table of transitions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis_jobs.base.clock import Clock, to_ms
from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    Existing,
    Page,
    Superseded,
    WriteConflict,
    require_read,
)
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobKey, JobRecord, Listing
from analysis_jobs.jobs.transitions import RETRY, Transition
from analysis_jobs.stores.items import (
    DUE_SHARDS,
    Item,
    from_item,
    index_value,
    job_item_key,
    key_of,
    to_item,
)
from analysis_jobs.stores.pointers import (
    Put,
    idempotency_item_key,
    plain_pointer,
    prolonged,
    rate_key,
    rate_pointer,
    read_rate,
    read_subject,
    read_used,
    subject_key,
    subject_pointer,
    used_key,
)
from analysis_jobs.stores.updates import Update

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Two submissions of one idempotency key, or of one subject, at the same instant: DynamoDB cancels one of the two.
_CONFLICT_TRIES = 8
_BATCH_GET_LIMIT = 100
_CHECK_FAILED = "ConditionalCheckFailed"
_CONFLICT = "TransactionConflict"


class DynamoJobStore:
    """One item a job, and those that stand beside them; see `items` and `pointers` for the layout."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def create(
        self, job: JobRecord, idempotency: IdempotencyKey | None, pointer_until: datetime | None = None
    ) -> Created | Existing:
        """See `JobStore.create`. One request, and one more where the key was used before."""
        writes = [self._put_new(to_item(job))]
        if job.subject is not None:
            writes.append(self._put(plain_pointer(job, pointer_until)))
        if idempotency is not None:
            writes.append(self._put_key(job, idempotency))
        if len(writes) == 1:
            # An id is fresh (80 random bits): a row of this id is our own, from an earlier try of this request.
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.put_item(**writes[0])
            return Created(job)
        for _ in range(_CONFLICT_TRIES):
            failed = self._transact([{"Put": write} for write in writes])
            if not failed or (idempotency is None and _CHECK_FAILED in failed):
                return Created(job)
            if idempotency is not None and _CHECK_FAILED in failed:
                existing = self._existing(job.tenant, idempotency)
                # Our own write, where an earlier try landed after all.
                return Created(job) if existing.job_id == job.job_id else existing
            self._pause()
        raise TimeoutError(f"job {job.job_id}: {_CONFLICT_TRIES} conflicting submissions in a row")

    def admission_state(
        self, admission_key: AdmissionKey, idempotency: IdempotencyKey | None, now: datetime
    ) -> tuple[AdmissionState, Existing | None]:
        """See `JobStore.standing`. A batch of strongly consistent reads, and one of the newest job."""
        subject, rate = (
            subject_key(admission_key.tenant, admission_key.analysis, admission_key.subject),
            rate_key(admission_key),
        )
        key = idempotency_item_key(admission_key.tenant, idempotency) if idempotency else None
        found = {item["item"]["S"]: item for item in self._batch([k for k in (subject, rate, key) if k])}
        pointer = read_subject(found.get(subject["item"]["S"]))
        used = found.get(key["item"]["S"]) if key else None
        if used and int(used["expires_at"]["N"]) <= int(now.timestamp()):
            used = None
        # The row after its pointer: what has ended by then stays so, unless the pointer changes too.
        latest = self.get(JobKey(admission_key.tenant, pointer.job_id)) if pointer and not used else None
        return AdmissionState(pointer, latest, read_rate(found.get(rate["item"]["S"]) if rate else None)), read_used(
            used
        )

    def admit(
        self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
    ) -> Created | WriteConflict:
        """See `JobStore.admit`. One request."""
        writes = [self._put_new(to_item(job)), self._put(subject_pointer(admission_write))]
        if rate := rate_pointer(admission_write):
            writes.append(self._put(rate))
        if idempotency:
            writes.append(self._put_key(job, idempotency))
        failed = self._transact([{"Put": write} for write in writes])
        # A row of this id is our own, from an earlier try of this request.
        return Created(job) if not failed or failed[0] == _CHECK_FAILED else WriteConflict()

    def remember(self, tenant: str, idempotency: IdempotencyKey, answered: Existing, now: datetime) -> Existing | None:
        """See `JobStore.remember`. One request, and one more where the key was used before."""
        try:
            self._client.put_item(**self._put(used_key(tenant, idempotency, answered, now)))
        except self._client.exceptions.ConditionalCheckFailedException:
            return self._existing(tenant, idempotency)
        return None

    def retry(
        self,
        job: JobRecord,
        changes: Changes,
        *,
        now: datetime,
        pointer_until: datetime,
        newest_only: bool,
    ) -> Applied | ConditionFailed | Superseded:
        """See `JobStore.retry`. One transaction, and a read of what became of it."""
        row = Update(job.key, RETRY, changes, now, job).arguments() | {"Key": job_item_key(job.key)}
        pointer = prolonged(job, pointer_until, newest_only=newest_only)
        failed = self._transact([{"Update": {"TableName": self._table, **update}} for update in (row, pointer)])
        if _CHECK_FAILED in failed[1:]:
            newest = read_subject(self._get(pointer["Key"]))
            return Superseded(newest.job_id if newest else "")
        now_it_is = self.get(job.key)
        return Applied(now_it_is) if not failed and now_it_is else ConditionFailed(now_it_is)

    def get(self, key: JobKey) -> JobRecord | None:
        """See `JobStore.get`. One strongly consistent read."""
        item = self._get(job_item_key(key))
        return from_item(item) if item else None

    def latest(self, tenant: str, analysis: str, subject: str) -> JobRecord | None:
        """See `JobStore.latest`. Two strongly consistent reads, so a job is seen as soon as it was submitted."""
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
        """See `JobStore.transition`. One conditional write, whose refusal brings the row along."""
        require_read(transition, read)
        update = Update(key, transition, changes, now, read)
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
            return ConditionFailed(from_item(stored) if isinstance(stored, dict) else None)
        return Applied(from_item(response["Attributes"]))

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
        # A copy of this request that arrives late must not put a job that is at work back to its beginning.
        return self._put(
            {
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#item)",
                "ExpressionAttributeNames": {"#item": "item"},
            }
        )

    def _put_key(self, job: JobRecord, idempotency: IdempotencyKey) -> dict[str, Any]:
        answered = Existing(job.job_id, idempotency.body_digest)
        return self._put(used_key(job.tenant, idempotency, answered, job.created_at))

    def _transact(self, writes: list[dict[str, Any]]) -> list[str]:
        """Write all or nothing. Returns nothing where it landed, else for each write why it did not."""
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

    def _existing(self, tenant: str, idempotency: IdempotencyKey) -> Existing:
        used = read_used(self._get(idempotency_item_key(tenant, idempotency)))
        if used is None:
            raise LookupError("an idempotency key vanished between two requests")
        return used

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
            found |= {key_of(item): from_item(item) for item in self._batch(wanted)}
        return [found[key] for key in keys if key in found]

    def _batch(self, wanted: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the items of up to 100 keys that there are, strongly consistent, in any order."""
        while wanted:
            response = self._client.batch_get_item(RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}})
            yield from response["Responses"].get(self._table, [])
            unprocessed = response["UnprocessedKeys"].get(self._table)
            wanted = list(unprocessed["Keys"]) if unprocessed else []
            if wanted:
                self._pause()


def _range(listing: Listing) -> tuple[str, str]:
    """Return the first and the last id that may be on the page; "~" sorts after every id."""
    last = listing.last_id or "~"
    if listing.before_id:
        # What sorts right below the cursor. (A start key would be shorter, but must lie within the range.)
        last = min(last, f"{listing.before_id[:-1]}{chr(ord(listing.before_id[-1]) - 1)}~")
    return listing.first_id or "", last
