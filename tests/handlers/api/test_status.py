"""Reading jobs: one job, a long poll for its next change, and lists of jobs."""

import json
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobFailure, JobKey, Payload
from analysis_jobs.jobs.transitions import BEAT, COMPLETE, FAIL
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.site import BOOK, Site, submit
from tests.handlers.builders import MINUTE, START
from tests.handlers.events import call

SECOND = timedelta(seconds=1)
UNKNOWN = "01kdvdna00246fsfg17tk8a8cy"  # an id that no job has
DENIED = (
    "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/prod-worker/prod-worker is not authorized to "
    "perform: bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:eu-west-1::foundation-model/x"
)


@pytest.mark.usefixtures("both")
def test_the_status_of_a_waiting_job_says_when_to_poll_again() -> None:
    job_id = submit(BOOK | {"subject": "books/42", "client": "web", "project": "p1"})
    answer = call("GET", f"/jobs/{job_id}")
    assert answer.status == 200
    assert answer.json == {
        "job_id": job_id,
        "analysis": "book-valuation",
        "status": "queued",
        "subject": "books/42",
        "client": "web",
        "project": "p1",
        "priority": "medium",
        "tier": None,
        "stage": "value",
        "stages_completed": [],
        "progress": 0,
        "attempt": 0,
        "error": None,
        "cancel_asked_at": None,
        "usage": asdict(Usage()),
        "cost_usd": 0.0,
        "models": {},
        "prompts": {},
        "code_version": None,
        "created_at": "2026-01-01T00:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        "wait_seconds": None,
        "processing_seconds": None,
        "result": None,
        "result_url": None,
        "result_url_expires_at": None,
        "files": {},
        "history": [{"at": "2026-01-01T00:00:00.000Z", "transition": "submit", "status": "queued"}],
    }
    assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("1", "no-cache")


def test_a_finished_job_shows_its_result_its_usage_and_its_history(both: Site) -> None:
    job_id = submit()
    both.clock.advance(SECOND)
    both.claim(job_id)
    both.clock.advance(SECOND)
    now = both.clock.now()
    usage, models = Usage(2, 300, 40), {"some.model": Usage(1, 100, 30), "gemini-2.5-flash": Usage(1, 200, 10)}
    spent = {"usage": usage, "models": models, "cost_usd": Decimal("0.012345")}
    both.take(job_id, COMPLETE, result=Payload('{"usd":12.5}'), **spent, progress=100, finished_at=now)
    answer = call("GET", f"/jobs/{job_id}")
    job = answer.json
    assert (job["status"], job["progress"], job["attempt"], job["result"]) == ("completed", 100, 1, {"usd": 12.5})
    assert job["usage"] == asdict(usage)
    assert job["models"] == {model: asdict(part) for model, part in models.items()}
    assert job["cost_usd"] == 0.012345
    assert (job["started_at"], job["finished_at"]) == ("2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z")
    assert (job["wait_seconds"], job["processing_seconds"]) == (1, 1)
    assert (job["code_version"], job["error"]) == ("v7", None)
    assert [step["transition"] for step in job["history"]] == ["submit", "claim", "complete"]
    assert "retry-after" not in answer.headers


def test_a_large_result_is_read_from_the_bucket(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    site.artifacts.write("jobs/acme/x/1-result.json", b'{"usd":1}', "application/json")
    site.take(job_id, COMPLETE, result=Payload(key="jobs/acme/x/1-result.json"))
    assert call("GET", f"/jobs/{job_id}").json["result"] == {"usd": 1}


def test_a_failed_job_shows_the_reason_without_names_of_roles_and_accounts(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    site.take(job_id, FAIL, failure=JobFailure("access_denied", DENIED, retryable=False))
    error = call("GET", f"/jobs/{job_id}").json["error"]
    assert (error["code"], error["retryable"]) == ("access_denied", False)
    assert "arn:" not in error["message"]
    assert "123456789012" not in error["message"]
    assert "bedrock:InvokeModelWithResponseStream" in error["message"], "the answer still names the refused action"
    stored = site.store.get(JobKey("acme", job_id))
    assert stored is not None
    assert stored.failure == JobFailure("access_denied", DENIED, retryable=False), (
        "the row keeps the full message for the operator"
    )


@pytest.mark.parametrize(
    "job_id",
    [UNKNOWN, "x", "JOB", "../jobs", "0" * 26, "job#1", "%00", "'", "{}", "a" * 5_000, "\u0661" * 26, "k" * 27],
)
@pytest.mark.usefixtures("site")
def test_an_unknown_id_is_not_found(job_id: str) -> None:
    answer = call("GET", f"/jobs/{job_id}")
    assert (answer.status, answer.fields) == (404, [])


def test_a_job_of_another_tenant_looks_like_an_unknown_job(both: Site) -> None:
    theirs = submit(tenant="other")
    none = new_id(both.clock.now())
    answer, empty = call("GET", f"/jobs/{theirs}"), call("GET", f"/jobs/{none}")
    assert (answer.status, answer.fields) == (404, [])
    assert answer.body.replace(theirs, none) == empty.body
    assert answer.headers == empty.headers


@pytest.mark.usefixtures("site")
def test_a_malformed_id_costs_no_read() -> None:
    with patch.object(MemoryJobStore, "get") as get:
        assert call("GET", "/jobs/subject").status == 404
    get.assert_not_called()


# ETags and long polling


@pytest.mark.parametrize("header", ["{}", "W/{}", '"other", {}', "{},W/{}"])
def test_an_unchanged_job_is_not_sent_again(site: Site, header: str) -> None:
    job_id = submit()
    tag = call("GET", f"/jobs/{job_id}").headers["etag"]
    known = {"If-None-Match": header.replace("{}", tag)}
    answer = call("GET", f"/jobs/{job_id}", headers=known)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, "", tag)
    site.claim(job_id)
    answer = call("GET", f"/jobs/{job_id}", headers=known)
    assert (answer.status, answer.json["status"]) == (200, "processing")
    assert answer.headers["etag"] != tag


@pytest.mark.parametrize("unknown", ['"other"', "", "junk"])
@pytest.mark.usefixtures("site")
def test_an_etag_of_another_version_gets_the_job(unknown: str) -> None:
    job_id = submit()
    assert call("GET", f"/jobs/{job_id}", headers={"If-None-Match": unknown}).status == 200


class ClockWithEvent(ManualClock):
    """A clock that calls a function after a number of sleeps."""

    def __init__(self, sleeps: int, happens: Any) -> None:
        super().__init__(START)
        self._sleeps = sleeps
        self._happens = happens

    def sleep(self, duration: timedelta) -> None:
        super().sleep(duration)
        self._sleeps -= 1
        if self._sleeps == 0:
            self._happens()


def _happening(site: Site, sleeps: int, happens: Any) -> Any:
    """Replace the clock of the API by one that calls `happens` after `sleeps` sleeps."""
    clock = ClockWithEvent(sleeps, happens)
    return patch.multiple(site.clock, now=clock.now, sleep=clock.sleep)


def test_a_long_poll_ends_when_the_job_ends(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    with _happening(site, 4, lambda: site.take(job_id, COMPLETE, result=Payload('{"usd": 1}'))):
        answer = call("GET", f"/jobs/{job_id}", query={"wait": "20"})
        assert site.clock.now() == START + 4 * SECOND
    assert answer.json["status"] == "completed"


def test_a_long_poll_without_an_etag_ignores_progress(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    with _happening(site, 2, lambda: site.take(job_id, BEAT, progress=50)):
        answer = call("GET", f"/jobs/{job_id}", query={"wait": "5"})
        assert site.clock.now() == START + 5 * SECOND
    assert (answer.status, answer.json["progress"]) == (200, 50)


def test_a_long_poll_with_an_etag_ends_at_the_next_version(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    tag = call("GET", f"/jobs/{job_id}").headers["etag"]
    with _happening(site, 2, lambda: site.take(job_id, BEAT, progress=50)):
        answer = call("GET", f"/jobs/{job_id}", query={"wait": "20"}, headers={"If-None-Match": f"W/{tag}"})
        assert site.clock.now() == START + 2 * SECOND
    assert (answer.status, answer.json["progress"]) == (200, 50)


def test_a_long_poll_without_a_change_ends_after_exactly_its_time(site: Site) -> None:
    job_id = submit()
    tag = call("GET", f"/jobs/{job_id}").headers["etag"]
    answer = call("GET", f"/jobs/{job_id}", query={"wait": "25"}, headers={"If-None-Match": tag})
    assert (answer.status, site.clock.now()) == (304, START + timedelta(seconds=25))


def test_a_long_poll_beyond_the_limit_of_waiting_requests_is_answered_at_once(site: Site) -> None:
    job_id = submit()
    busy = [site.waiting.take("acme", START, START + MINUTE) for _ in range(site.waiting.per_tenant)]
    answer = call("GET", f"/jobs/{job_id}", query={"wait": "20"})
    assert (answer.status, answer.headers["retry-after"], site.clock.now()) == (200, "1", START)
    assert busy[0]
    site.waiting.free(busy[0])
    call("GET", f"/jobs/{job_id}", query={"wait": "20"})
    assert site.clock.now() == START + timedelta(seconds=20)


def test_a_long_poll_frees_its_slot_however_it_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit()
    call("GET", f"/jobs/{job_id}", query={"wait": "2"})
    assert site.waiting.taken == []

    def fail(*_: object) -> None:
        raise RuntimeError("no table")

    monkeypatch.setattr(type(site.clock), "sleep", fail)
    assert call("GET", f"/jobs/{job_id}", query={"wait": "2"}).status == 500
    assert site.waiting.taken == []


def test_a_request_that_need_not_wait_takes_no_slot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*_: object) -> None:
        raise AssertionError("it costs requests")

    monkeypatch.setattr(type(site.waiting), "take", take)
    job_id = submit()
    assert call("GET", f"/jobs/{job_id}").status == 200
    site.claim(job_id)
    site.take(job_id, COMPLETE, result=Payload('{"usd": 1}'))
    assert call("GET", f"/jobs/{job_id}", query={"wait": "20"}).status == 200


@pytest.mark.parametrize("method", ["take", "free"])
def test_a_failure_of_the_slots_does_not_fail_the_request(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("throttled")

    monkeypatch.setattr(type(site.waiting), method, fail)
    assert call("GET", f"/jobs/{submit()}", query={"wait": "2"}).status == 200


def test_a_long_poll_for_an_ended_job_returns_at_once(site: Site) -> None:
    job_id = submit()
    site.claim(job_id)
    site.take(job_id, COMPLETE, result=Payload('{"usd": 1}'))
    assert call("GET", f"/jobs/{job_id}", query={"wait": "25"}).json["status"] == "completed"
    assert site.clock.now() == START


def test_a_job_that_expires_during_a_long_poll_is_shown_as_last_read(site: Site) -> None:
    job_id = submit()
    assert isinstance(site.store, MemoryJobStore)
    with _happening(site, 1, site.store.jobs.clear):
        assert call("GET", f"/jobs/{job_id}", query={"wait": "2"}).json["status"] == "queued"


@pytest.mark.parametrize("wait", ["0", "26", "-1", "1.5", "", "ten", " 5", "05", "1e1", "9" * 5_000, "\u0665", "5\n"])
@pytest.mark.usefixtures("site")
def test_an_invalid_wait_is_refused(wait: str) -> None:
    answer = call("GET", f"/jobs/{submit()}", query={"wait": wait})
    assert (answer.status, answer.fields) == (422, ["wait"])


def test_the_views_are_plain_json(site: Site) -> None:
    job_id = submit(BOOK | {"client": "caf\u00e9 \U0001f4da"})
    site.claim(job_id)
    assert json.loads(call("GET", f"/jobs/{job_id}").body)["client"] == "caf\u00e9 \U0001f4da"
