"""Contract of every job store: new jobs, their idempotency keys, and the newest job of a subject."""

from datetime import timedelta

import pytest

from analysis_jobs.jobs.ports import Created, JobStore, StoredOutcome
from tests.handlers.builders import MINUTE, SECOND, START, a_job
from tests.handlers.rows import claim, read_of, the_key


def test_the_same_idempotency_key_returns_the_first_job(store: JobStore) -> None:
    first, second = a_job(), a_job()
    assert store.create(first, the_key()) == Created(first)
    assert store.create(second, the_key(body="b2")) == StoredOutcome(first.job_id, "b1")
    assert store.get(second.key) is None


@pytest.mark.parametrize("subject", [None, "books/1"])
@pytest.mark.parametrize("key", [None, "d1"])
def test_a_late_duplicate_of_a_submission_leaves_the_job_unchanged(
    store: JobStore, subject: str | None, key: str | None
) -> None:
    job, idempotency = a_job(subject=subject), the_key(key) if key else None
    store.create(job, idempotency)
    claimed = claim(store, job)
    assert isinstance(store.create(job, idempotency), Created)
    assert read_of(store, job) == claimed


def test_a_refused_submission_does_not_become_the_latest_of_its_subject(store: JobStore) -> None:
    first, second = a_job(subject="books/1"), a_job(subject="books/1")
    store.create(first, the_key())
    store.create(second, the_key())
    assert store.latest("acme", "valuation", "books/1") == first


def test_another_key_or_another_tenants_key_does_not_conflict(store: JobStore) -> None:
    store.create(a_job(), the_key("d1"))
    for job, digest in ((a_job(), "d2"), (a_job(tenant="globex"), "d1")):
        assert store.create(job, the_key(digest)) == Created(job)


def test_an_expired_idempotency_key_can_be_used_again(store: JobStore) -> None:
    first = a_job(created_at=START)
    at_its_end = a_job(created_at=START + timedelta(hours=1))
    before = a_job(created_at=START + timedelta(hours=1) - SECOND)
    store.create(first, the_key(life=timedelta(hours=1)))
    assert store.create(before, the_key(life=timedelta(hours=3))) == StoredOutcome(first.job_id, "b1")
    assert store.create(at_its_end, the_key(life=timedelta(hours=3))) == Created(at_its_end)
    assert store.create(a_job(created_at=START + timedelta(hours=2)), the_key()) == StoredOutcome(
        at_its_end.job_id, "b1"
    )


def test_the_outcome_of_a_key_is_found_until_the_key_expires(store: JobStore) -> None:
    first = a_job(created_at=START)
    used = the_key(life=timedelta(hours=1))
    assert store.stored_outcome("acme", used, START) is None
    store.create(first, used)
    outcome = StoredOutcome(first.job_id, "b1")
    assert store.stored_outcome("acme", the_key(body="b2"), START + timedelta(hours=1) - SECOND) == outcome
    assert store.stored_outcome("acme", used, START + timedelta(hours=1)) is None
    assert store.stored_outcome("globex", used, START) is None


def test_the_latest_job_of_a_subject_is_the_last_accepted_job(store: JobStore) -> None:
    # The greatest id may belong to an earlier job: each machine makes ids from its own clock.
    earlier_id, later_id = (
        a_job(subject="books/1", created_at=START),
        a_job(subject="books/1", created_at=START + MINUTE),
    )
    store.create(later_id, None)
    store.create(earlier_id, None)
    assert store.latest("acme", "valuation", "books/1") == earlier_id


def test_the_latest_job_of_a_subject_is_read_in_its_current_state(store: JobStore) -> None:
    job = a_job(subject="books/1")
    store.create(job, None)
    claimed = claim(store, job)
    assert store.latest("acme", "valuation", "books/1") == claimed


@pytest.mark.parametrize(
    ("tenant", "analysis", "subject"),
    [
        ("globex", "valuation", "books/1"),
        ("acme", "summary", "books/1"),
        ("acme", "valuation", "books/2"),
        ("acme", "valuation", "books"),
        ("acme", "valuation", ""),
    ],
)
def test_a_subject_is_separate_for_each_tenant_and_analysis(
    store: JobStore, tenant: str, analysis: str, subject: str
) -> None:
    store.create(a_job(subject="books/1"), None)
    assert store.latest(tenant, analysis, subject) is None
