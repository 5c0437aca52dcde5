"""Contract of the job list in every store: newest first, in pages, within dates, and for one tenant only."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from analysis_jobs.base.ids import first_id_at
from analysis_jobs.jobs.ports import JobStore, Page
from analysis_jobs.jobs.record import IdempotencyKey, JobRecord, Listing
from analysis_jobs.jobs.transitions import CLAIM, Status
from tests.handlers.builders import MINUTE, NOTHING, START, a_job


def keep(store: JobStore, number: int, **fields: Any) -> list[JobRecord]:
    """Create jobs one minute apart. Return them newest first, as a list does."""
    jobs = [a_job(created_at=START + n * MINUTE, **fields) for n in range(number)]
    for job in jobs:
        store.create(job, None)
    return jobs[::-1]


def pages(store: JobStore, listing: Listing) -> Iterator[Page]:
    while True:
        page = store.list_jobs(listing)
        yield page
        if page.next_before_id is None:
            return
        listing = replace(listing, before_id=page.next_before_id)


def test_a_tenant_without_jobs_has_an_empty_list(store: JobStore) -> None:
    keep(store, 1, tenant="globex")
    assert store.list_jobs(Listing("acme")) == Page([], None)


def test_jobs_are_listed_newest_first_and_whole(store: JobStore) -> None:
    jobs = keep(store, 3, subject="books/1", client="web")
    for listing in (
        Listing("acme"),
        Listing("acme", status=Status.QUEUED),
        Listing("acme", client="web"),
        Listing("acme", subject="books/1"),
    ):
        assert store.list_jobs(listing) == Page(jobs, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 100])
@pytest.mark.parametrize("by", [{}, {"status": Status.QUEUED}])
def test_the_pages_make_the_whole_list(store: JobStore, limit: int, by: dict[str, Any]) -> None:
    jobs = keep(store, 5)
    found = list(pages(store, Listing("acme", limit=limit, **by)))
    assert [job for page in found for job in page.jobs] == jobs
    assert len(found) == max(1, -(-5 // limit))  # there is no empty page at the end


def test_a_list_holds_more_than_one_batch_of_rows(store: JobStore) -> None:
    jobs = keep(store, 105, client="web")  # DynamoDB returns at most 100 rows per batch
    assert store.list_jobs(Listing("acme", client="web", limit=104)).jobs == jobs[:104]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ({"status": Status.QUEUED}, ["a", "b", "c"]),
        ({"status": Status.PROCESSING}, ["d"]),
        ({"status": Status.FAILED}, []),
        ({"client": "web"}, ["a", "d"]),
        ({"client": "we"}, []),
        ({"subject": "books/1"}, ["a", "b"]),
        ({"subject": "books"}, []),
    ],
)
def test_a_filter_returns_the_matching_jobs(store: JobStore, by: dict[str, Any], expected: list[str]) -> None:
    fields: dict[str, dict[str, Any]] = {
        "a": {"client": "web", "subject": "books/1"},
        "b": {"client": "mobile", "subject": "books/1"},
        "c": {"subject": "books/2"},
        "d": {"client": "web", "status": Status.PROCESSING},
    }
    names = {keep(store, 1, **given)[0].job_id: name for name, given in fields.items()}
    assert sorted(names[job.job_id] for job in store.list_jobs(Listing("acme", **by)).jobs) == expected


def test_a_list_by_status_follows_the_transitions(store: JobStore) -> None:
    job = keep(store, 1)[0]
    store.transition(job.key, CLAIM, NOTHING, now=START)
    assert store.list_jobs(Listing("acme", status=Status.QUEUED)).jobs == []
    assert [j.job_id for j in store.list_jobs(Listing("acme", status=Status.PROCESSING)).jobs] == [job.job_id]


@pytest.mark.parametrize("by", [{}, {"status": Status.QUEUED}, {"client": "web"}, {"subject": "books/1"}])
def test_tenants_do_not_see_jobs_of_each_other(store: JobStore, by: dict[str, Any]) -> None:
    mine = keep(store, 2, tenant="acme", client="web", subject="books/1")
    keep(store, 2, tenant="acme2", client="web", subject="books/1")
    keep(store, 2, tenant="ac", client="web", subject="books/1")
    assert store.list_jobs(Listing("acme", **by)).jobs == mine


def test_only_jobs_are_listed(store: JobStore) -> None:
    # The rows of subjects and idempotency keys are not listed.
    job = a_job(subject="books/1")
    store.create(job, IdempotencyKey("d1", "b1", START + MINUTE))
    assert store.list_jobs(Listing("acme")) == Page([job], None)


@pytest.mark.parametrize("by", [{}, {"client": "web"}])
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, [4, 3, 2, 1, 0]),
        (2, None, [4, 3, 2]),
        (None, 2, [1, 0]),  # the bound is the first id of the moment, so the job of that moment is above it
        (1, 3, [2, 1]),
        (3, 3, []),
        (3, 1, []),
        (9, None, []),
        (None, 0, []),
    ],
)
def test_a_range_of_dates_is_a_range_of_ids(
    store: JobStore, by: dict[str, Any], first: int | None, last: int | None, expected: list[int]
) -> None:
    jobs = keep(store, 5, client="web")[::-1]
    listing = Listing(
        "acme",
        first_id=None if first is None else first_id_at(START + first * MINUTE),
        last_id=None if last is None else first_id_at(START + last * MINUTE),
        limit=2,
        **by,
    )
    assert [job for page in pages(store, listing) for job in page.jobs] == [jobs[n] for n in expected]


def test_a_range_of_ids_includes_both_ends(store: JobStore) -> None:
    jobs = keep(store, 4)
    listing = Listing("acme", first_id=jobs[2].job_id, last_id=jobs[1].job_id)
    assert store.list_jobs(listing).jobs == jobs[1:3]


@pytest.mark.parametrize("by", [{}, {"client": "web"}])
def test_a_cursor_outside_the_range_is_not_an_error(store: JobStore, by: dict[str, Any]) -> None:
    jobs = keep(store, 4, client="web")
    inner = Listing("acme", first_id=jobs[2].job_id, last_id=jobs[2].job_id, **by)
    assert store.list_jobs(replace(inner, before_id=jobs[0].job_id)).jobs == jobs[2:3]
    assert store.list_jobs(replace(inner, before_id=jobs[3].job_id)) == Page([], None)


@pytest.mark.parametrize("last_character", "0123456789abcdefghjkmnpqrstvwxyz")
def test_a_cursor_excludes_its_own_job_and_nothing_else(store: JobStore, last_character: str) -> None:
    stem = a_job().job_id[:-1]
    ids = [f"{stem}{character}" for character in "0123456789abcdefghjkmnpqrstvwxyz"]
    for job_id in (ids[0], ids[-1], f"{stem}{last_character}"):
        store.create(a_job(job_id=job_id), None)
    cursor = f"{stem}{last_character}"
    below = sorted({job_id for job_id in (ids[0], ids[-1]) if job_id < cursor}, reverse=True)
    assert [job.job_id for job in store.list_jobs(Listing("acme", before_id=cursor)).jobs] == below


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"client": "a", "subject": "b"}, {"status": Status.QUEUED, "client": ""}]
)
def test_a_listing_with_an_unsupported_combination_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at most one of status, client and subject, and at least one job"):
        Listing("acme", **wrong)
