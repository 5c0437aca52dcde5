"""Cases of the DynamoDB store only: conflicting transactions, lagging indexes, and partial batches."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.settings import MAX_INLINE_BYTES
from analysis_jobs.jobs.ports import Applied, Created, Step, StoredOutcome
from analysis_jobs.jobs.record import MAX_HISTORY, HistoryEntry, IdempotencyKey, JobFailure, JobKey, Listing, Payload
from analysis_jobs.jobs.transitions import CLAIM, Status
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import from_item, to_item
from analysis_jobs.submission.service import Submission
from tests.handlers.builders import MINUTE, NOTHING, START, a_job

KEY = IdempotencyKey("d1", "b1", START + MINUTE)


class Interposed:
    """A client with `operation` replaced by `instead`, which gets the real operation. The rest is unchanged."""

    def __init__(self, client: Any, operation: str, instead: Callable[..., Any]) -> None:
        self._client = client
        self._operation = operation
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._operation:
            return real
        return lambda **arguments: self._instead(real, **arguments)


def interposed(client: Any, operation: str, instead: Callable[..., Any]) -> Any:
    """Return an `Interposed` typed as a client."""
    return Interposed(client, operation, instead)


def refused(client: Any, *reasons: str) -> ClientError:
    answer = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    error: ClientError = client.exceptions.TransactionCanceledException(answer, "TransactWriteItems")
    return error


def test_a_conflicting_submission_is_retried(dynamodb: Any, table: str, clock: ManualClock) -> None:
    collisions = [refused(dynamodb, "None", "TransactionConflict") for _ in range(3)]

    def collide(real: Callable[..., Any], **arguments: Any) -> Any:
        if collisions:
            raise collisions.pop()
        return real(**arguments)

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", collide), table, clock)
    job = a_job(subject="books/1")
    assert store.create(job, None) == Created(job)
    assert store.latest("acme", "valuation", "books/1") == job
    assert clock.now() > START  # the store waited between the tries


def test_a_submission_that_always_conflicts_is_an_error(dynamodb: Any, table: str, clock: ManualClock) -> None:
    def collide(_real: Callable[..., Any], **_arguments: Any) -> Any:
        raise refused(dynamodb, "TransactionConflict", "None")

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", collide), table, clock)
    job = a_job(subject="books/1")
    with pytest.raises(TimeoutError, match=f"{job.job_id}: 8 conflicting submissions"):
        store.create(job, None)
    assert store.get(job.key) is None


def test_a_transaction_that_fails_for_another_reason_is_an_error(dynamodb: Any, table: str, clock: ManualClock) -> None:
    def throttle(_real: Callable[..., Any], **_arguments: Any) -> Any:
        raise refused(dynamodb, "ThrottlingError", "None")

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", throttle), table, clock)
    with pytest.raises(ClientError, match="cancelled"):
        store.create(a_job(), KEY)


def test_a_submission_that_was_applied_unnoticed_is_recognized_as_the_same(
    dynamodb: Any, table: str, clock: ManualClock
) -> None:
    # The first try is still in progress at the second, and is applied. Then this same job has used the key.
    def land_late(real: Callable[..., Any], **arguments: Any) -> Any:
        if store.get(job.key) is None:
            real(**arguments)
            answer = {"Error": {"Code": "TransactionInProgressException", "Message": "in progress"}}
            raise dynamodb.exceptions.TransactionInProgressException(answer, "TransactWriteItems")
        return real(**arguments)

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", land_late), table, clock)
    job = a_job()
    assert store.create(job, KEY) == Created(job)
    assert store.create(a_job(), KEY) == StoredOutcome(job.job_id, "b1")


def _conflict(dynamodb: Any) -> ClientError:
    answer = {"Error": {"Code": "TransactionConflictException", "Message": "a transaction has the row"}}
    error: ClientError = dynamodb.exceptions.TransactionConflictException(answer, "UpdateItem")
    return error


def test_a_transition_waits_for_a_transaction_that_has_its_row(dynamodb: Any, table: str, clock: ManualClock) -> None:
    conflicts = [_conflict(dynamodb) for _ in range(3)]

    def collide(real: Callable[..., Any], **arguments: Any) -> Any:
        if conflicts:
            raise conflicts.pop()
        return real(**arguments)

    store = DynamoJobStore(interposed(dynamodb, "update_item", collide), table, clock)
    job = a_job()
    store.create(job, None)
    assert isinstance(store.transition(job.key, CLAIM, NOTHING, now=START), Applied)
    assert clock.now() > START


def test_a_transition_that_always_conflicts_is_an_error(dynamodb: Any, table: str, clock: ManualClock) -> None:
    def collide(_real: Callable[..., Any], **_arguments: Any) -> Any:
        raise _conflict(dynamodb)

    store = DynamoJobStore(interposed(dynamodb, "update_item", collide), table, clock)
    job = a_job()
    store.create(job, None)
    with pytest.raises(TimeoutError, match=f"{job.job_id}: 8 conflicting transactions"):
        store.transition(job.key, CLAIM, NOTHING, now=START)
    assert store.get(job.key) == job


def test_steps_that_conflict_with_another_transaction_are_not_written(
    dynamodb: Any, table: str, clock: ManualClock
) -> None:
    def collide(_real: Callable[..., Any], **_arguments: Any) -> Any:
        raise refused(dynamodb, "None", "TransactionConflict")

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", collide), table, clock)
    assert store.transition_all([Step(a_job(), CLAIM, NOTHING, START), Step(a_job(), CLAIM, NOTHING, START)]) is None


def test_a_row_with_a_stale_index_entry_is_not_listed(dynamodb: Any, table: str, clock: ManualClock) -> None:
    moved, still = a_job(), a_job()

    def claim_meanwhile(real: Callable[..., Any], **arguments: Any) -> Any:
        found = real(**arguments)
        store.transition(moved.key, CLAIM, NOTHING, now=START)
        return found

    store = DynamoJobStore(interposed(dynamodb, "query", claim_meanwhile), table, clock)
    store.create(moved, None)
    store.create(still, None)
    assert store.list_jobs(Listing("acme", status=Status.QUEUED)).jobs == [still]


@pytest.mark.parametrize(
    "listing",
    [
        Listing("acme", first_id="2", last_id="1"),
        Listing("acme", first_id="2", before_id="2"),
        Listing("acme", last_id="1", before_id="2"),
        Listing("acme", first_id="1", before_id="2"),
        Listing("acme", client="web", before_id="0"),
    ],
)
def test_no_query_is_sent_that_dynamodb_would_refuse(
    dynamodb: Any, table: str, clock: ManualClock, listing: Listing
) -> None:
    # DynamoDB refuses these queries: "The BETWEEN operator requires upper bound to be greater than or equal to lower
    # bound", and "the provided starting
    # key is outside query boundaries". moto accepts both.
    def refuse(real: Callable[..., Any], **arguments: Any) -> Any:
        values = arguments["ExpressionAttributeValues"]
        assert values[":first"]["S"] <= values[":last"]["S"]
        assert "ExclusiveStartKey" not in arguments
        return real(**arguments)

    store = DynamoJobStore(interposed(dynamodb, "query", refuse), table, clock)
    assert store.list_jobs(listing).jobs == []


def test_a_partial_batch_is_read_to_its_end(dynamodb: Any, table: str, clock: ManualClock) -> None:
    def one_by_one(real: Callable[..., Any], **arguments: Any) -> Any:
        request = arguments["RequestItems"][table]
        assert request["ConsistentRead"]
        found = real(RequestItems={table: {**request, "Keys": request["Keys"][:1]}})
        left = {table: {**request, "Keys": request["Keys"][1:]}} if request["Keys"][1:] else {}
        return found | {"UnprocessedKeys": left}

    store = DynamoJobStore(interposed(dynamodb, "batch_get_item", one_by_one), table, clock)
    jobs = [a_job(client="web", created_at=START + n * MINUTE) for n in range(3)]
    for job in jobs:
        store.create(job, None)
    assert store.list_jobs(Listing("acme", client="web")).jobs == jobs[::-1]
    assert clock.now() > START  # the store waited between the parts


def test_a_job_without_subject_and_key_costs_one_plain_write(dynamodb: Any, table: str, clock: ManualClock) -> None:
    def never(_real: Callable[..., Any], **_arguments: Any) -> Any:
        raise AssertionError("a transaction costs twice as much")

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", never), table, clock)
    job = a_job()
    assert store.create(job, None) == Created(job)


def test_a_row_without_optional_fields_is_in_no_sparse_index(
    dynamodb: Any, dynamo_store: DynamoJobStore, table: str
) -> None:
    job = a_job(due_at=None, client=None, subject=None)
    dynamo_store.create(job, None)
    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert not {"due_at", "due_shard", "tenant_client", "tenant_subject"} & item.keys()
    assert item["tenant_status"] == {"S": "acme#queued"}


def test_the_largest_possible_job_fits_into_its_items(dynamodb: Any, table: str, clock: ManualClock) -> None:
    # DynamoDB: an item has at most 409,600 bytes, a sort key 1,024. A beat costs one write unit per 1,024 bytes.
    written: list[Any] = []

    def look(real: Callable[..., Any], **arguments: Any) -> Any:
        written.extend(write["Put"]["Item"] for write in arguments["TransactItems"])
        return real(**arguments)

    store = DynamoJobStore(interposed(dynamodb, "transact_write_items", look), table, clock)
    longest = Submission(analysis="a" * 63, input={}, subject="\U0001f4c8" * 230, client="\U0001f4c8" * 128)
    payload = Payload(text="x" * MAX_INLINE_BYTES)
    job = a_job(
        tenant="t" * 128,
        analysis=longest.analysis,
        subject=longest.subject,
        client=longest.client,
        project=longest.client,
        input=payload,
        result=payload,
        failure=JobFailure("c" * 10_000, "\U0001f4c8" * 1_000_000, retryable=True),
        history=(HistoryEntry(START, "complete", Status.COMPLETED),) * (MAX_HISTORY + 1),
    )
    store.create(job, KEY)
    assert len(written) == 3
    assert all(len(item["item"]["S"].encode()) <= 1_024 for item in written)
    assert max(len(json.dumps(item, ensure_ascii=False).encode()) for item in written) < 100_000


def test_the_expiry_of_a_row_is_in_seconds(dynamodb: Any, dynamo_store: DynamoJobStore, table: str) -> None:
    dynamo_store.create(a_job(expires_at=START), None)
    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert item["expires_at"] == {"N": str(int(START.timestamp()))}


def test_a_row_keeps_the_attribute_names_of_existing_tables() -> None:
    """The row of a job with a tier, as versions before the fields were renamed wrote it."""
    job = a_job(
        priority="low", tier="gold", tier_rank=2, lane_sort_key="02#01", claimed_via=JobKey("acme", "01"), subject=None
    )
    stored = {
        "lane": {"S": "low"},
        "tier": {"S": "gold"},
        "rank": {"N": "2"},
        "waiting": {"S": "02#01"},
        "turn_of": {"M": {"tenant": {"S": "acme"}, "job_id": {"S": "01"}}},
    }
    item = to_item(job)
    assert {name: item[name] for name in stored} == stored
    assert not {"priority", "tier_rank", "lane_sort_key", "claimed_via"} & item.keys()
    assert from_item(item) == job


def test_a_row_has_no_attributes_for_empty_maps_and_one_that_an_older_version_wrote_reads_the_same() -> None:
    job = a_job()
    item = to_item(job)
    empty = {"checkpoints", "files", "models", "prompts", "timeouts"}
    assert not (empty | {"stages_completed"}) & item.keys()
    assert item["history"] == {"L": []}, "a transition appends to it"
    older = item | {name: {"M": {}} for name in empty} | {"stages_completed": {"L": []}}
    assert from_item(older) == from_item(item) == job
