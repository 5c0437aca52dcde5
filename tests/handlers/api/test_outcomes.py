"""The HTTP answers to submissions under a policy, with each kind of job store."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, NewItems, Rate, Trigger
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.transitions import COMPLETE
from tests.handlers.api.site import Price, Site, opened
from tests.handlers.builders import MINUTE
from tests.handlers.events import Answer, call

HOUR = timedelta(hours=1)


class Visit(BaseModel):
    shop: str
    seen: int = 9


def digest(_job: Any) -> Price:
    raise NotImplementedError


VISITS = Analysis(
    "visits",
    request=Visit,
    result=Price,
    stages=[digest],
    subject="shops/{shop}",
    submit_route="POST /visits",
    status_route="GET /visits/{shop}",
    admission=Admission(fresh_for=MINUTE, at_most=Rate(2, per=HOUR)),
    triggers={
        "often": Trigger("medium", NewItems(at_least=3, count=lambda visit, _since: visit.seen)),
        "manual": Trigger("high", skips_freshness=True),
    },
)
BOOKS = Analysis(
    "books",
    request=Visit,
    result=Price,
    stages=[digest],
    subject="books/{id}",
    submit_route="POST /books/{id}/digest",
    status_route="GET /books/{id}/digest",
    admission=Admission(),
)


@pytest.fixture
def both(store: JobStore, clock: ManualClock) -> Iterator[Site]:
    with opened(store, clock, VISITS, BOOKS) as site:
        yield site


def visit(trigger: str = "manual", **given: Any) -> Answer:
    return call("POST", "/visits", {"shop": "a", "trigger": trigger, **given})


def finish(site: Site, job_id: str) -> None:
    site.claim(job_id)
    site.take(job_id, COMPLETE, finished_at=site.clock.now(), due_at=None)


def test_created_existing_skipped_and_limited_have_different_answers(both: Site) -> None:
    created = visit()
    job_id = created.json["job_id"]
    assert (created.status, created.json["outcome"]) == (202, "created")
    existing = visit()
    assert (existing.status, existing.json) == (
        200,
        {
            "job_id": job_id,
            "status": "queued",
            "status_url": f"/jobs/{job_id}",
            "estimated_time_seconds": 120,
            "outcome": "existing",
            "reason": {"code": "active", "message": "a job of this subject is queued"},
        },
    )
    assert (existing.headers["location"], existing.headers["retry-after"]) == (f"/jobs/{job_id}", "6")
    finish(both, job_id)
    skipped = visit("often")
    assert (skipped.status, skipped.json["outcome"], skipped.json["job_id"]) == (200, "skipped", job_id)
    assert "retry-after" not in skipped.headers
    both.clock.advance(30 * MINUTE)
    finish(both, visit().json["job_id"])
    limited = visit()
    assert (limited.status, limited.headers["retry-after"]) == (429, "1800")
    assert limited.fields == []
    assert limited.json["outcome"] == "limited"
    assert limited.json["reason"]["retry_at"] == "2026-01-01T01:00:00.000Z"
    assert len(both.queue.sent) == 2


def test_a_skipped_submission_without_an_earlier_job_has_no_status_url(both: Site) -> None:
    answer = visit("often", seen=2)
    assert (answer.status, answer.json["job_id"], answer.json["status_url"]) == (200, None, None)
    assert answer.json["reason"]["new_items"] == 2
    assert "location" not in answer.headers
    assert call("GET", "/visits/a").status == 404
    assert both.queue.sent == []


@pytest.mark.usefixtures("both")
def test_the_same_key_gives_the_same_outcome() -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"shop": "a", "trigger": "often", "seen": 2}
    first = call("POST", "/visits", body, headers=headers)
    visit()
    again = call("POST", "/visits", body, headers=headers)
    assert (again.status, again.json) == (first.status, first.json)
    assert call("POST", "/visits", body | {"seen": 9}, headers=headers).fields == ["Idempotency-Key"]


def test_a_subject_from_the_path_has_at_most_one_active_job(both: Site) -> None:
    first = call("POST", "/books/7/digest", {"shop": "a"})
    again = call("POST", "/books/7/digest", {"shop": "b"})
    assert (first.status, again.status, again.json["job_id"]) == (202, 200, first.json["job_id"])
    assert call("POST", "/books/8/digest", {"shop": "a"}).status == 202
    assert call("GET", "/books/7/digest").json["job_id"] == first.json["job_id"]
    assert len(both.queue.sent) == 2
