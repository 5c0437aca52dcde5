"""Cancelling a job, and retrying it."""

from datetime import timedelta

import pytest

from analysis_jobs.base.ids import is_id
from analysis_jobs.jobs.record import JobFailure
from analysis_jobs.jobs.transitions import COMPLETE, FAIL, STOP
from tests.handlers.api.site import Site, submit
from tests.handlers.events import call

ACTIONS = ["cancel", "retry"]
UNKNOWN = "01kdvdna00246fsfg17tk8a8cy"
FAILURE = JobFailure("model_timeout", "silence", retryable=True)


def test_a_waiting_job_is_cancelled(both: Site) -> None:
    job_id = submit()
    answer = call("POST", f"/jobs/{job_id}/cancel")
    assert (answer.status, answer.headers["location"]) == (200, f"/jobs/{job_id}")
    assert (answer.json["status"], answer.json["finished_at"]) == ("cancelled", "2026-01-01T00:00:00.000Z")
    assert call("POST", f"/jobs/{job_id}/cancel").json == answer.json
    assert call("GET", f"/jobs/{job_id}").json["history"][-1] == {
        "at": "2026-01-01T00:00:00.000Z",
        "transition": "cancel",
        "status": "cancelled",
    }
    assert len(both.queue.sent) == 1, "only the submission sent a message"


def test_cancelling_a_running_job_asks_its_worker_to_stop(both: Site) -> None:
    job_id = submit()
    both.claim(job_id)
    answer = call("POST", f"/jobs/{job_id}/cancel")
    assert (answer.status, answer.json["status"]) == (202, "processing")
    assert answer.json["cancel_asked_at"] == "2026-01-01T00:00:00.000Z"
    both.clock.advance(timedelta(seconds=1))
    assert call("POST", f"/jobs/{job_id}/cancel").json == answer.json
    both.take(job_id, STOP, finished_at=both.clock.now(), due_at=None, lease_until=None)
    assert call("POST", f"/jobs/{job_id}/cancel").status == 200


@pytest.mark.parametrize(("transition", "status"), [(COMPLETE, "completed"), (FAIL, "failed")])
def test_a_job_that_has_ended_cannot_be_cancelled(both: Site, transition: object, status: str) -> None:
    job_id = submit()
    both.claim(job_id)
    both.take(job_id, transition)  # type: ignore[arg-type]
    answer = call("POST", f"/jobs/{job_id}/cancel")
    assert (answer.status, answer.fields) == (409, [])
    assert status in answer.json["detail"]


def test_a_failed_job_runs_again(both: Site) -> None:
    job_id = submit()
    both.claim(job_id)
    both.take(job_id, FAIL, failure=FAILURE, finished_at=both.clock.now(), due_at=None)
    both.clock.advance(timedelta(hours=1))
    answer = call("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, answer.headers["location"]) == (202, f"/jobs/{job_id}")
    assert [answer.json[name] for name in ("status", "attempt", "error", "finished_at")] == ["queued", 0, None, None]
    assert call("POST", f"/jobs/{job_id}/retry").json == answer.json
    assert len(both.queue.sent) == 2, "one message for the submission, one for the retry"


def test_a_cancelled_job_runs_again(both: Site) -> None:
    job_id = submit()
    call("POST", f"/jobs/{job_id}/cancel")
    answer = call("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, answer.json["status"], answer.json["cancel_asked_at"]) == (202, "queued", None)
    both.claim(job_id)
    assert call("POST", f"/jobs/{job_id}/retry").json["status"] == "processing"


def test_a_completed_job_does_not_run_again(both: Site) -> None:
    job_id = submit()
    both.claim(job_id)
    both.take(job_id, COMPLETE)
    answer = call("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, answer.fields) == (409, [])
    assert "completed" in answer.json["detail"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_job_of_another_tenant_looks_like_an_unknown_job(both: Site, action: str) -> None:
    job_id = submit()
    both.claim(job_id)
    both.take(job_id, FAIL)
    answer, none = (
        call("POST", f"/jobs/{job_id}/{action}", tenant="other"),
        call("POST", f"/jobs/{UNKNOWN}/{action}", tenant="other"),
    )
    assert (answer.status, none.status) == (404, 404)
    assert answer.body.replace(job_id, "") == none.body.replace(UNKNOWN, "")
    assert call("GET", f"/jobs/{job_id}").json["status"] == "failed"


@pytest.mark.parametrize("job_id", ["x", "job#1", "0" * 27, "%00", "\u0661" * 26])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.usefixtures("site")
def test_an_unknown_id_is_not_found(job_id: str, action: str) -> None:
    assert not is_id(job_id)
    assert call("POST", f"/jobs/{job_id}/{action}").status == 404


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.usefixtures("site")
def test_only_a_post_cancels_or_retries(action: str) -> None:
    job_id = submit()
    assert call("GET", f"/jobs/{job_id}/{action}").status == 404
    assert call("GET", f"/jobs/{job_id}").json["status"] == "queued"


def test_a_body_is_optional_and_ignored(site: Site) -> None:
    job_id = submit()
    assert call("POST", f"/jobs/{job_id}/cancel", raw="{").status == 200
    assert site.queue.sent
