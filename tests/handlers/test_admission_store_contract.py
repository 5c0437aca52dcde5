"""Contract of every store for a policy: read the state, admit one of many, retry only the newest job."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.admission import (
    Admission,
    AdmissionKey,
    AdmissionState,
    AdmissionWrite,
    LastAnalysis,
    Outcome,
    Rate,
    RetryCount,
    admission_write,
    count_retry,
)
from analysis_jobs.jobs.ports import (
    Applied,
    ConditionFailed,
    Created,
    JobStore,
    StoredOutcome,
    Superseded,
    WriteConflict,
)
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobRecord, pointer_until
from analysis_jobs.jobs.transitions import CANCEL, Status
from analysis_jobs.stores.dynamo import DynamoJobStore
from tests.handlers.builders import MINUTE, SECOND, START, a_job

HOUR = timedelta(hours=1)
POLICY = Admission(at_most=Rate(2, per=HOUR))
GATE = AdmissionKey("acme", "valuation", "books/1", "users/1")
UNTIL = START + timedelta(days=31)
AGAIN: dict[str, Any] = {"deadline": START + HOUR, "due_at": START + MINUTE, "finished_at": None}


def a_submission(**fields: Any) -> JobRecord:
    return a_job(**({"subject": "books/1", "created_at": START} | fields))


def key(body: str = "b1") -> IdempotencyKey:
    return IdempotencyKey("d1", body, START + 24 * HOUR)


def known(store: JobStore, admission_key: AdmissionKey = GATE) -> AdmissionState:
    return store.read_admission_state(admission_key, None, START)[0]


def through(
    store: JobStore, job: JobRecord, *, seen: AdmissionState | None = None, admission_key: AdmissionKey = GATE
) -> AdmissionWrite:
    return admission_write(POLICY, admission_key, known(store, admission_key) if seen is None else seen, job, UNTIL)


def admitted(store: JobStore, **fields: Any) -> JobRecord:
    """Admit a job."""
    job = a_submission(**fields)
    assert store.admit(job, None, through(store, job)) == Created(job)
    return job


def cancelled(store: JobStore, job: JobRecord) -> JobRecord:
    outcome = store.transition(job.key, CANCEL, Changes({"finished_at": START, "due_at": None}), now=START)
    assert isinstance(outcome, Applied)
    return outcome.job


def run_again(store: JobStore, job: JobRecord, *, newest_only: bool = True) -> object:
    return store.retry(job, Changes(AGAIN), now=START, pointer_until=UNTIL, newest_only=newest_only)


def test_the_state_is_empty_at_first(store: JobStore) -> None:
    assert store.read_admission_state(GATE, key(), START) == (AdmissionState(), None)


def test_the_state_holds_what_was_written(store: JobStore) -> None:
    first = admitted(store)
    assert store.get(first.key) == first
    assert store.latest("acme", "valuation", "books/1") == first
    found = known(store)
    assert (found.latest, found.subject and found.subject.job_id) == (first, first.job_id)
    assert found.rate
    assert found.rate.admitted == (START,)


def test_the_last_analysis_is_kept_when_a_newer_job_is_admitted(store: JobStore) -> None:
    done = a_submission(status=Status.COMPLETED, created_at=START - HOUR, finished_at=START - MINUTE)
    store.admit(done, None, through(store, done))
    analysed = LastAnalysis(done.job_id, START - HOUR, START - MINUTE)
    assert known(store).last_analysis == analysed
    newer = cancelled(store, admitted(store))
    assert known(store).latest == newer
    assert known(store).last_analysis == analysed


@pytest.mark.parametrize("subject", ["books/1", "books/2"])
def test_of_two_submissions_with_the_same_state_one_is_admitted(store: JobStore, subject: str) -> None:
    """The two share a subject, or have two subjects under one rate."""
    admission_key = replace(GATE, subject=subject)
    seen, other_seen = known(store), known(store, admission_key)
    first, second = a_submission(), a_submission(subject=subject)
    assert store.admit(first, None, through(store, first, seen=seen)) == Created(first)
    assert (
        store.admit(second, None, through(store, second, seen=other_seen, admission_key=admission_key))
        == WriteConflict()
    )
    assert store.get(second.key) is None
    assert store.admit(second, None, through(store, second, admission_key=admission_key)) == Created(second)
    times = known(store, admission_key).rate
    assert times
    assert times.admitted == (START, START)


def test_a_pointer_written_without_a_policy_is_read_and_guarded(store: JobStore) -> None:
    plain, other = a_submission(), a_submission()
    store.create(plain, None, UNTIL)
    seen = known(store)
    assert seen.latest == plain
    store.create(other, None)
    late = a_submission()
    assert store.admit(late, None, through(store, late, seen=seen)) == WriteConflict()
    assert isinstance(store.admit(late, None, through(store, late)), Created)


def test_a_repeated_write_that_was_already_applied_returns_the_same_job(store: JobStore) -> None:
    job = a_submission()
    written = through(store, job)
    assert store.admit(job, key(), written) == Created(job)
    assert store.admit(job, key(), written) == Created(job)


def test_a_used_idempotency_key_is_read_and_admits_no_job(store: JobStore) -> None:
    first, second = a_submission(), a_submission(subject="books/2")
    admission_key = replace(GATE, subject="books/2")
    store.admit(first, key(), through(store, first))
    assert store.read_admission_state(admission_key, key("b2"), START)[1] == StoredOutcome(first.job_id, "b1")
    assert store.admit(second, key("b2"), through(store, second, admission_key=admission_key)) == WriteConflict()
    assert store.read_admission_state(admission_key, key(), START + 24 * HOUR)[1] is None


@pytest.mark.parametrize("job_id", ["01abc", None])
def test_the_answer_for_an_idempotency_key_is_kept(store: JobStore, job_id: str | None) -> None:
    answered = StoredOutcome(job_id, "b1", Outcome.SKIPPED, '{"code": "fresh"}')
    assert store.record_outcome("acme", key(), answered, START) is None
    assert store.record_outcome("acme", key(), StoredOutcome("other", "b1"), START + SECOND) == answered
    assert store.read_admission_state(GATE, key(), START)[1] == answered
    assert store.create(a_job(), key()) == answered


def test_a_retry_of_the_newest_job_invalidates_states_that_were_read_before(store: JobStore) -> None:
    job = cancelled(store, admitted(store))
    seen, other = known(store), a_submission()
    outcome = run_again(store, job)
    assert isinstance(outcome, Applied)
    assert (outcome.job.status, outcome.job.deadline) == (Status.QUEUED, START + HOUR)
    assert outcome.job == store.get(job.key)
    assert store.admit(other, None, through(store, other, seen=seen)) == WriteConflict()


def test_an_older_job_is_not_retried_if_only_the_newest_may(store: JobStore) -> None:
    older = cancelled(store, admitted(store))
    newer = admitted(store)
    assert run_again(store, older) == Superseded(newer.job_id)
    assert store.get(older.key) == older
    assert isinstance(run_again(store, older, newest_only=False), Applied)
    assert store.latest("acme", "valuation", "books/1") == newer


def test_a_job_that_changed_after_the_read_is_not_retried(store: JobStore) -> None:
    job = admitted(store)
    now_it_is = cancelled(store, job)
    assert run_again(store, job) == ConditionFailed(now_it_is)
    assert isinstance(run_again(store, now_it_is), Applied)


def counting(store: JobStore, admission_key: AdmissionKey = GATE) -> RetryCount:
    assert POLICY.at_most
    return count_retry(POLICY.at_most, admission_key, known(store, admission_key).rate, START)


def test_a_retry_is_counted_in_the_same_write(store: JobStore) -> None:
    job = cancelled(store, admitted(store))
    counted = counting(store)
    again: dict[str, Any] = {"now": START, "pointer_until": UNTIL, "newest_only": True, "counted": counted}
    assert isinstance(store.retry(job, Changes(AGAIN), **again), Applied)
    rate = known(store).rate
    assert rate == counted.rate
    assert rate.admitted == (START, START)


def test_a_retry_is_refused_if_another_job_was_counted_since_the_read(store: JobStore) -> None:
    job = cancelled(store, admitted(store))
    counted = counting(store)
    admitted(store, subject="books/1")
    again: dict[str, Any] = {"now": START, "pointer_until": UNTIL, "newest_only": False, "counted": counted}
    assert store.retry(job, Changes(AGAIN), **again) == WriteConflict()
    assert store.get(job.key) == job
    assert isinstance(store.retry(job, Changes(AGAIN), **(again | {"counted": counting(store)})), Applied)


def test_a_retry_of_a_changed_job_is_not_counted(store: JobStore) -> None:
    job = admitted(store)
    cancelled(store, job)
    before = known(store).rate
    again: dict[str, Any] = {"now": START, "pointer_until": UNTIL, "newest_only": True, "counted": counting(store)}
    assert isinstance(store.retry(job, Changes(AGAIN), **again), ConditionFailed)
    assert known(store).rate == before


def test_a_retry_restores_an_expired_pointer(store: JobStore) -> None:
    job = cancelled(store, admitted(store))
    if isinstance(store, DynamoJobStore):
        pointer = {"tenant": {"S": "acme"}, "item": {"S": "subject#valuation#books/1"}}
        store._client.delete_item(TableName=store._table, Key=pointer)  # noqa: SLF001 - what DynamoDB's TTL does
    assert isinstance(run_again(store, job), Applied)
    assert store.latest("acme", "valuation", "books/1") == store.get(job.key)


def test_pointers_expire_after_their_rows(dynamo_store: DynamoJobStore, dynamodb: Any) -> None:
    def expiries() -> dict[str, int]:
        items = dynamodb.scan(TableName=dynamo_store._table)["Items"]  # noqa: SLF001
        return {i["item"]["S"]: int(i["expires_at"]["N"]) for i in items if "expires_at" in i}

    def seconds(moment: Any) -> int:
        return int(moment.timestamp())

    job = admitted(dynamo_store)
    dynamo_store.create(a_submission(subject="books/2"), None, UNTIL)
    assert expiries() == {
        "subject#valuation#books/1": seconds(UNTIL),
        "subject#valuation#books/2": seconds(UNTIL),
        "rate#valuation#users/1": seconds(START + HOUR),
    }
    later = UNTIL + HOUR
    ended = cancelled(dynamo_store, job)
    dynamo_store.retry(ended, Changes(AGAIN), now=START, pointer_until=later, newest_only=False)
    assert expiries()["subject#valuation#books/1"] == seconds(later)
    retention = timedelta(days=30)
    assert pointer_until(START, retention) > START + retention


def test_a_policy_costs_one_extra_read_and_a_second_for_a_known_subject(
    dynamo_store: DynamoJobStore, dynamodb: Any, clock: ManualClock
) -> None:
    requests: list[str] = []
    dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: requests.append(model.name))
    job = admitted(dynamo_store, created_at=clock.now())
    assert requests == ["BatchGetItem", "TransactWriteItems"]
    requests.clear()
    cancelled(dynamo_store, job)
    admitted(dynamo_store, created_at=clock.now())
    assert requests == ["UpdateItem", "BatchGetItem", "GetItem", "TransactWriteItems"]
