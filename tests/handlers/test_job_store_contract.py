"""Contract of every job store. Each test runs with the store in memory and the store on DynamoDB."""

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.ports import Applied, ConditionFailed, Created, JobStore
from analysis_jobs.jobs.record import (
    MAX_HISTORY,
    Changes,
    HistoryEntry,
    JobFailure,
    JobKey,
    JobRecord,
    Payload,
    StoredFile,
)
from analysis_jobs.jobs.transitions import (
    ABANDON,
    BEAT,
    CLAIM,
    CLAIM_SHARED,
    COMPLETE,
    CONTINUE,
    DEFER,
    EXPIRE,
    FAIL,
    RELEASE,
    REQUEUE,
    REQUEUE_SHARED,
    RESEND,
    RETRY,
    STOP,
    Status,
    Transition,
)
from tests.handlers.builders import MILLISECOND, MINUTE, NOTHING, SECOND, START, a_job, a_processing_job
from tests.handlers.rows import claim, read_of

LEASE = {"lease_until": START + MINUTE, "due_at": START + MINUTE}
TEXT = "Ökonomie, 経済, \U0001f4c8, \x00 and \\u0041 'quoted\" \n"
FULL = a_job(
    status=Status.PROCESSING,
    subject=f"books/{TEXT}",
    client="web",
    project=TEXT,
    tier="gold",
    tier_rank=2,
    lane_sort_key="02#1",
    claimed_via=JobKey("globex", "01other"),
    version=9,
    attempt=2,
    fence=7,
    sends=3,
    not_before=START + SECOND,
    lease_until=START + 17 * MILLISECOND,
    finished_at=START + 999 * MILLISECOND,
    expires_at=START + timedelta(days=30),
    stage="write",
    stages_completed=("read", "think"),
    progress=66,
    result=Payload(key="jobs/acme/1/7-result.json"),
    failure=JobFailure("model_timeout", TEXT, retryable=True),
    usage=Usage(3, 200_000, 4_096),
    models={"some.model": Usage(1, 2, 3), "gemini-2.5-flash": Usage(1, 5, 4, 3, 2)},
    cost_usd=Decimal("0.012345"),
    code_version="sha256:1+/=",
    claimant="6f1e",
    cancel_asked_at=START + 3 * MILLISECOND,
    checkpoints={"read": "7.1-d-c", f"write/{TEXT}": "7.2-d-c"},
    timeouts={"write": 1, "read": 0},
    documents=Payload('{"01k/a.pdf":"version-7"}'),
    prompts={"read": "books/step-1@v3", "write": f"{TEXT}@v0"},
    prompt_versions={"books/step-1": 7},
    shared=True,
    alone=True,
    files={"a.xlsx": StoredFile(7, 10_240, "text/csv; charset=utf-8"), "b.json": StoredFile(0, 0, "application/json")},
    history=(
        HistoryEntry(START + MILLISECOND, "claim", Status.PROCESSING),
        HistoryEntry(START, "defer", Status.QUEUED),
    ),
    trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=value",
)


# Rows


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(a_job(), id="of least fields"),
        pytest.param(FULL, id="of all fields"),
        pytest.param(a_job(input=Payload(text=TEXT * 800)), id="of a large input"),
        pytest.param(a_job(input=Payload()), id="of no input"),
        pytest.param(a_job(due_at=None), id="of nothing due"),
        pytest.param(a_job(failure=JobFailure("", "", retryable=False), result=Payload(text="")), id="of empty texts"),
    ],
)
def test_a_row_is_read_back_unchanged(store: JobStore, row: JobRecord) -> None:
    assert store.create(row, None) == Created(row)
    assert store.get(row.key) == row


def test_the_sample_row_sets_every_field() -> None:
    defaults = a_job()
    alike = {f.name for f in fields(JobRecord) if getattr(FULL, f.name) == getattr(defaults, f.name)}
    assert alike == {"tenant", "analysis", "input", "priority", "created_at", "deadline", "max_attempts", "due_at"}


def test_a_job_that_was_not_created_is_not_found(store: JobStore) -> None:
    assert store.get(a_job().key) is None


def test_a_job_of_another_tenant_is_not_found(store: JobStore) -> None:
    job = a_job(tenant="acme")
    store.create(job, None)
    stranger = JobKey("evil", job.job_id)
    assert store.get(stranger) is None
    assert store.transition(stranger, CLAIM, NOTHING, now=START) == ConditionFailed(None)
    assert store.get(job.key) == job


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("due_at", None, START + MILLISECOND),
        ("not_before", START, None),
        ("not_before", None, START + MILLISECOND),
        ("lease_until", START, None),
        ("finished_at", None, START + MILLISECOND),
        ("expires_at", None, START + timedelta(days=3)),
        ("stage", "read", None),
        ("stages_completed", ("read",), ()),
        ("progress", 100, 0),
        ("result", None, Payload(text="{}")),
        ("result", Payload(key="k"), Payload(text='"x"')),
        ("failure", JobFailure("a", "b", retryable=True), None),
        ("failure", None, JobFailure("a", TEXT, retryable=False)),
        ("usage", Usage(1, 2, 3), Usage(2, 4, 6)),
        ("code_version", None, "v8"),
        ("claimant", "6f1e", "6f1f"),
        ("checkpoints", {}, {"read": "1.1-d-c", "write/*each.1": "d 1:0-41"}),
        ("checkpoints", {"read": "1.1-d-c"}, {}),
        ("timeouts", {"read": 1}, {"read": 2, "write": 1}),
        ("attempt", 3, 0),
        ("max_attempts", 3, 5),
        ("deadline", START, START + timedelta(hours=6)),
        ("cancel_asked_at", START, None),
    ],
)
def test_a_transition_writes_its_changes(store: JobStore, name: str, before: Any, after: Any) -> None:
    job = a_processing_job(**{name: before})
    store.create(job, None)
    outcome = store.transition(job.key, BEAT, Changes({name: after}), now=START, read=job)
    expected = replace(job, version=2, **{name: after})
    assert outcome == Applied(expected)
    assert store.get(job.key) == expected


def test_changes_cannot_set_fields_that_the_transition_table_controls() -> None:
    for name in ("status", "fence", "version", "history", "tenant", "created_at", "tier_rank", "input", "nonsense"):
        with pytest.raises(ValueError, match=f"cannot change {name}"):
            Changes({name: 1})


# The life of a job


def test_a_job_goes_from_the_queue_to_its_result(store: JobStore) -> None:
    job = a_job()
    store.create(job, None)
    claimed = claim(store, job)
    assert (claimed.status, claimed.attempt, claimed.fence, claimed.version) == (Status.PROCESSING, 1, 1, 2)
    beat = Changes({"lease_until": START + 2 * MINUTE, "progress": 40, "usage": Usage(1, 10, 2)})
    store.transition(job.key, BEAT, beat, now=START + SECOND, read=claimed)
    done = Changes({"result": Payload(text='"gold"'), "finished_at": START + MINUTE, "due_at": None})
    store.transition(job.key, COMPLETE, done, now=START + MINUTE, read=claimed)
    assert read_of(store, job) == replace(
        job,
        status=Status.COMPLETED,
        version=4,
        attempt=1,
        fence=1,
        lease_until=START + 2 * MINUTE,
        progress=40,
        usage=Usage(1, 10, 2),
        result=Payload(text='"gold"'),
        finished_at=START + MINUTE,
        due_at=None,
        history=(
            HistoryEntry(START, "claim", Status.PROCESSING),
            HistoryEntry(START + MINUTE, "complete", Status.COMPLETED),
        ),
    )


def test_a_second_worker_cannot_claim_a_leased_job(store: JobStore) -> None:
    job = a_job()
    store.create(job, None)
    claimed = claim(store, job)
    last_moment = START + MINUTE - MILLISECOND
    assert store.transition(job.key, CLAIM, NOTHING, now=last_moment) == ConditionFailed(claimed)
    assert claim(store, job, at=MINUTE).fence == 2


@pytest.mark.parametrize("stale_write", [BEAT, COMPLETE, FAIL, RELEASE, DEFER, CONTINUE, STOP], ids=lambda t: t.name)
@pytest.mark.parametrize(
    "now_it_is",
    ["claimed again", "queued again", "deferred and claimed", "failed", "completed", "retried", "retried and claimed"],
)
def test_no_write_of_a_stale_worker_is_applied(store: JobStore, stale_write: Transition, now_it_is: str) -> None:
    job = a_job(subject="books/1", client="web")
    store.create(job, None)
    stale = claim(store, job)
    later = START + MINUTE
    if now_it_is == "claimed again":
        claim(store, job, at=MINUTE)
    elif now_it_is == "queued again":
        store.transition(job.key, REQUEUE, NOTHING, now=later)
    elif now_it_is == "deferred and claimed":
        store.transition(job.key, DEFER, NOTHING, now=START, read=stale)
        assert (
            claim(store, job).attempt == stale.attempt
        )  # the attempt is refunded, but the fencing token keeps growing
    elif now_it_is in ("failed", "retried", "retried and claimed"):
        failed = store.transition(job.key, FAIL, NOTHING, now=START, read=stale).job
        if now_it_is != "failed":
            assert isinstance(store.transition(job.key, RETRY, NOTHING, now=START, read=failed), Applied)
        if now_it_is == "retried and claimed":
            claim(store, job)
    else:
        store.transition(job.key, COMPLETE, NOTHING, now=START, read=stale)
    before = read_of(store, job)
    changes = Changes({"result": Payload(text='"stale"'), "progress": 1, "lease_until": START + timedelta(days=1)})
    assert store.transition(job.key, stale_write, changes, now=later, read=stale) == ConditionFailed(before)
    assert read_of(store, job) == before


def test_of_two_sweepers_with_the_same_row_only_one_resends(store: JobStore) -> None:
    job = a_job()
    store.create(job, None)
    first = store.transition(job.key, RESEND, NOTHING, now=START, read=job)
    assert isinstance(first, Applied)
    assert first.job.sends == 2
    assert store.transition(job.key, RESEND, NOTHING, now=START, read=job) == ConditionFailed(first.job)


def test_a_job_whose_shared_worker_died_keeps_its_attempt_and_then_runs_alone(store: JobStore) -> None:
    job = a_job(max_attempts=1)
    store.create(job, None)
    shared = store.transition(job.key, CLAIM_SHARED, Changes(LEASE | {"shared": True}), now=START)
    assert isinstance(shared, Applied)
    end = START + MINUTE
    early = end - MILLISECOND
    assert store.transition(job.key, REQUEUE_SHARED, NOTHING, now=early) == ConditionFailed(shared.job)
    for refused in (CLAIM, CLAIM_SHARED, REQUEUE, ABANDON):
        assert store.transition(job.key, refused, NOTHING, now=end) == ConditionFailed(shared.job)
    back = Changes({"shared": None, "alone": True, "lease_until": None})
    queued = store.transition(job.key, REQUEUE_SHARED, back, now=end)
    assert isinstance(queued, Applied)
    assert (queued.job.status, queued.job.attempt, queued.job.fence) == (Status.QUEUED, 0, 1)
    assert store.transition(job.key, CLAIM_SHARED, NOTHING, now=end) == ConditionFailed(queued.job)
    alone = store.transition(job.key, CLAIM, Changes(LEASE), now=end)
    assert isinstance(alone, Applied)
    later = end + MINUTE
    assert store.transition(job.key, REQUEUE_SHARED, NOTHING, now=later) == ConditionFailed(alone.job)
    assert isinstance(store.transition(job.key, ABANDON, NOTHING, now=later), Applied)


def test_attempts_are_counted_up_to_the_maximum(store: JobStore) -> None:
    job = a_job(max_attempts=2)
    store.create(job, None)
    claim(store, job)
    claim(store, job, at=MINUTE)
    spent = read_of(store, job)
    end = START + 2 * MINUTE
    assert store.transition(job.key, CLAIM, NOTHING, now=end) == ConditionFailed(spent)
    assert store.transition(job.key, REQUEUE, NOTHING, now=end) == ConditionFailed(spent)
    assert isinstance(store.transition(job.key, ABANDON, NOTHING, now=end), Applied)


def test_a_deferral_refunds_the_attempt_and_the_deadline_ends_the_job(store: JobStore) -> None:
    job = a_job(max_attempts=1, deadline=START + MINUTE)
    store.create(job, None)
    for tier_pointer in range(1, 4):
        claimed = claim(store, job)
        assert (claimed.attempt, claimed.fence) == (1, tier_pointer)
        assert isinstance(store.transition(job.key, DEFER, NOTHING, now=START, read=claimed), Applied)
    assert isinstance(store.transition(job.key, EXPIRE, NOTHING, now=START + MINUTE - MILLISECOND), ConditionFailed)
    assert isinstance(store.transition(job.key, CLAIM, NOTHING, now=START + MINUTE), ConditionFailed)
    assert isinstance(store.transition(job.key, EXPIRE, NOTHING, now=START + MINUTE), Applied)


def test_the_length_of_the_history_is_limited(store: JobStore) -> None:
    begun = HistoryEntry(START - timedelta(days=1), "claim", Status.PROCESSING)
    waits = tuple(HistoryEntry(START - MINUTE, "defer", Status.QUEUED) for _ in range(MAX_HISTORY - 3))
    job = a_job(history=(begun, *waits))
    store.create(job, None)
    lengths = []
    for tier_pointer in range(4):
        claimed = claim(store, job, at=tier_pointer * SECOND)
        store.transition(job.key, DEFER, NOTHING, now=START + tier_pointer * SECOND, read=claimed)
        lengths.append(len(read_of(store, job).history))
    assert lengths == [MAX_HISTORY] * 4
    turns = [
        HistoryEntry(START + tier_pointer * SECOND, name, status)
        for tier_pointer in range(4)
        for name, status in (("claim", Status.PROCESSING), ("defer", Status.QUEUED))
    ]
    assert list(read_of(store, job).history) == [begun, *waits[: MAX_HISTORY - 9], *turns]


# Due jobs


def due(store: JobStore, at: timedelta) -> set[JobKey]:
    found = list(store.due(START + at))
    assert len(found) == len(set(found))
    return set(found)


def test_the_longest_overdue_job_is_due_first(store: JobStore) -> None:
    jobs = [a_job(due_at=START + minute * MINUTE) for minute in (3, 0, 9, 5, 1, 7, 2, 8, 4, 6)]
    for job in jobs:
        store.create(job, None)
    in_order = sorted(jobs, key=lambda job: job.due_at or START)
    assert list(store.due(START + timedelta(hours=1))) == [job.key for job in in_order]


def test_many_jobs_are_read_together(store: JobStore) -> None:
    jobs = [a_job(tenant=f"tenant-{number}") for number in range(100)]
    for job in jobs[1:]:
        store.create(job, None)
    assert store.read_many([job.key for job in jobs]) == {job.key: store.get(job.key) for job in jobs[1:]}
    assert store.read_many([jobs[0].key]) == {}


def test_the_jobs_that_a_worker_holds_are_found_without_reading_them(store: JobStore) -> None:
    held = a_processing_job(tenant="held", lease_until=START + MILLISECOND)
    expired = a_processing_job(tenant="expired", lease_until=START)
    queued, missing = a_job(tenant="queued"), a_processing_job(tenant="missing")
    for job in (held, expired, queued):
        store.create(job, None)
    assert store.held([job.key for job in (held, expired, queued, missing)], START) == {held.key}


def test_a_job_is_due_from_its_due_time_on(store: JobStore) -> None:
    jobs = [a_job(due_at=START + minute * MINUTE, tenant=f"tenant-{minute}") for minute in range(6)]
    for job in jobs:
        store.create(job, None)
    assert due(store, -MILLISECOND) == set()
    assert due(store, timedelta()) == {jobs[0].key}
    assert due(store, 3 * MINUTE) == {job.key for job in jobs[:4]}
    assert due(store, timedelta(days=1)) == {job.key for job in jobs}


def test_a_job_is_due_at_the_time_that_its_last_transition_set(store: JobStore) -> None:
    job = a_job(due_at=START)
    store.create(job, None)
    claimed = claim(store, job)
    assert due(store, MINUTE - MILLISECOND) == set()
    assert due(store, MINUTE) == {job.key}
    beat = Changes({"lease_until": START + timedelta(hours=1)})
    store.transition(job.key, BEAT, beat, now=START, read=claimed)
    assert due(store, MINUTE) == {job.key}  # a beat does not change the index


def test_a_job_that_has_ended_is_never_due(store: JobStore) -> None:
    job = a_processing_job(due_at=START)
    store.create(job, None)
    store.transition(job.key, COMPLETE, Changes({"due_at": None}), now=START, read=job)
    assert due(store, timedelta(days=10_000)) == set()
