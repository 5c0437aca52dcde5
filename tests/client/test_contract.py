"""What `Client` and `Backend` share, blocking and in an event loop. Each test runs once with each of the four."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from analysis_jobs.client import (
    Conflict,
    InvalidResult,
    JobFailed,
    JobInfo,
    Jobs,
    Limited,
    NotAdmitted,
    NotFinished,
    NotFound,
    Refused,
    WaitTimeout,
)
from tests.client.analyses import Greeted, Greeting, greeting
from tests.handlers.aws import client
from tests.handlers.deployment import BUCKET, Deployment


def test_a_job_is_submitted_worked_on_and_its_typed_result_is_returned(jobs: Jobs, deployment: Deployment) -> None:
    submitted = jobs.submit("greeting", {"name": "Ada"}, subject="people/ada", client="c1", project="p1")
    assert (submitted.status, submitted.outcome, submitted.estimated_time_seconds) == ("queued", "created", 120)
    queued = jobs.status(submitted.job_id)
    assert (queued.analysis, queued.subject, queued.client, queued.project) == ("greeting", "people/ada", "c1", "p1")
    assert (queued.ended, queued.stage, queued.result) == (False, "greet", None)
    assert deployment.work() == []
    assert jobs.result(submitted.job_id, Greeted) == Greeted(text="Hello Ada")
    done = jobs.wait(submitted.job_id)
    assert (done.status, done.ended, done.stages_completed, done.result) == (
        "completed",
        True,
        ("greet",),
        {"text": "Hello Ada"},
    )
    assert done.created_at
    assert done.finished_at
    assert done.finished_at - done.created_at > timedelta()


def test_a_declaration_and_a_model_are_submitted_as_their_name_and_json(jobs: Jobs, deployment: Deployment) -> None:
    submitted = jobs.submit(greeting, Greeting(name="Ada"))
    deployment.work()
    assert jobs.result(submitted.job_id, Greeted).text == "Hello Ada"


def test_a_document_is_uploaded_from_a_path_and_from_bytes(jobs: Jobs, deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "a letter.txt"
    path.write_text("from Bath", encoding="utf-8")
    for document in (jobs.upload(path), jobs.upload(b"from Bath", filename="a letter.txt")):
        assert document.endswith("/a-letter.txt")
        submitted = jobs.submit("greeting", {"name": "Ada", "letter": document})
        deployment.work()
        assert jobs.result(submitted.job_id, Greeted).text == "Hello Ada from Bath"


def test_a_form_lets_somebody_else_upload(jobs: Jobs) -> None:
    form = jobs.upload_form("letter.txt", "text/plain", 9)
    assert form.fields["key"] == f"uploads/acme/{form.document}"
    assert form.expires_in_seconds == 3600


def test_a_document_that_is_too_large_or_unnamed_is_refused(jobs: Jobs) -> None:
    with pytest.raises(Refused) as raised:
        jobs.upload_form("letter.txt", "text/plain", 50_000_001)
    assert [error.field for error in raised.value.errors] == ["size"]
    with pytest.raises(ValueError, match="give a filename for bytes"):
        jobs.upload(b"from Bath")


def test_a_result_that_is_too_large_for_an_answer_is_followed(jobs: Jobs, deployment: Deployment) -> None:
    submitted = jobs.submit("greeting", {"name": "Ada", "letters": 4_900_000})
    deployment.work()
    assert len(jobs.result(submitted.job_id, Greeted).text) == 4_900_009


def test_the_files_of_a_job_are_listed_and_downloaded(jobs: Jobs, deployment: Deployment) -> None:
    submitted = jobs.submit("greeting", {"name": "Ada"})
    deployment.work()
    [file] = jobs.files(submitted.job_id)
    assert (file.name, file.size, file.content_type) == ("greeting.txt", 9, "text/plain")
    assert jobs.download(submitted.job_id, "greeting.txt") == b"Hello Ada"
    assert "greeting.txt" in jobs.download_url(submitted.job_id, "greeting.txt")
    with pytest.raises(NotFound, match="no file"):
        jobs.download(submitted.job_id, "other.txt")


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": ""}, "input.name"), ({}, "input.name"), ({"name": float("nan")}, "input"), ({"name": {1}}, "input")],
)
def test_a_wrong_input_is_refused_with_its_field(
    jobs: Jobs, deployment: Deployment, given: dict[str, object], field: str
) -> None:
    with pytest.raises(Refused) as raised:
        jobs.submit("greeting", given)
    assert [error.field for error in raised.value.errors] == [field]
    assert raised.value.status == 422
    assert deployment.messages() == []


def test_an_unknown_analysis_and_an_unknown_lane_are_refused(jobs: Jobs) -> None:
    with pytest.raises(Refused, match="there is no analysis 'greting'; give one of: greeting"):
        jobs.submit("greting", {"name": "Ada"})
    with pytest.raises(Refused, match="there is no priority 'urgent'"):
        jobs.submit("greeting", {"name": "Ada"}, priority="urgent")


def test_the_same_idempotency_key_returns_the_same_job(jobs: Jobs, deployment: Deployment) -> None:
    first, second = (jobs.submit("greeting", {"name": "Ada"}, idempotency_key="k1") for _ in range(2))
    assert first.job_id == second.job_id
    assert len(deployment.messages()) == 1
    with pytest.raises(Refused, match="different request"):
        jobs.submit("greeting", {"name": "Bob"}, idempotency_key="k1")


def test_a_rate_that_is_reached_says_when_to_try_again(jobs: Jobs) -> None:
    jobs.submit("rare", {"name": "Ada"})
    with pytest.raises(Limited) as raised:
        jobs.submit("rare", {"name": "Ada"})
    assert raised.value.retry_after is not None
    assert 3000 < raised.value.retry_after <= 3600
    assert raised.value.reason["code"] == "rate_limited"
    assert not raised.value.retryable


def test_a_policy_returns_the_active_job_or_says_why_there_is_none(jobs: Jobs) -> None:
    with pytest.raises(NotAdmitted, match="0 new items"):
        jobs.submit("skipped", {"name": "Ada"}, trigger="new")
    first = jobs.submit("skipped", {"name": "Ada"}, trigger="now")
    second = jobs.submit("skipped", {"name": "Ada"}, trigger="now")
    assert (second.job_id, second.outcome, second.reason["code"]) == (first.job_id, "existing", "active")


def test_a_job_is_cancelled_and_run_again(jobs: Jobs, deployment: Deployment) -> None:
    job_id = jobs.submit("greeting", {"name": "Ada"}).job_id
    assert jobs.cancel(job_id).status == "cancelled"
    with pytest.raises(JobFailed, match="is cancelled"):
        jobs.result(job_id, Greeted)
    assert jobs.retry(job_id).status == "queued"
    deployment.work()
    deployment.work()
    assert jobs.status(job_id).status == "completed"
    with pytest.raises(Conflict, match="has completed"):
        jobs.cancel(job_id)


def test_a_failed_job_says_why(jobs: Jobs, deployment: Deployment) -> None:
    job_id = jobs.submit("greeting", {"name": "Nobody"}).job_id
    deployment.work()
    with pytest.raises(JobFailed, match="nobody: there is nobody to greet") as raised:
        jobs.result(job_id, Greeted)
    error = raised.value.job.error
    assert error
    assert (error.code, error.retryable) == ("nobody", False)


def test_a_result_in_another_type_is_an_error(jobs: Jobs, deployment: Deployment) -> None:
    job_id = jobs.submit("greeting", {"name": "Ada"}).job_id
    with pytest.raises(NotFinished, match="still queued"):
        jobs.result(job_id, Greeted)
    deployment.work()
    assert jobs.result(job_id, dict[str, str]) == {"text": "Hello Ada"}
    with pytest.raises(InvalidResult, match="is not a Greeting"):
        jobs.result(job_id, Greeting)


def test_waiting_ends_at_its_timeout_and_the_job_goes_on(jobs: Jobs) -> None:
    job_id = jobs.submit("greeting", {"name": "Ada"}).job_id
    seen: list[JobInfo] = []
    with pytest.raises(WaitTimeout) as raised:
        jobs.wait(job_id, timeout_s=0.01, on_status=seen.append)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.job.status == "queued"
    assert [job.status for job in seen] == ["queued"]


def test_jobs_are_listed_over_all_pages_newest_first(jobs: Jobs) -> None:
    made = [jobs.submit("greeting", {"name": "Ada"}, client="c1").job_id for _ in range(3)]
    other = jobs.submit("greeting", {"name": "Ada"}, client="c2").job_id
    assert [job.job_id for job in jobs.list()] == [other, *reversed(made)]
    assert [job.job_id for job in jobs.list(client="c1", status=None)] == list(reversed(made))
    first = jobs.status(made[0])
    assert first.created_at
    assert list(jobs.list(until=first.created_at - timedelta(hours=1))) == []
    with pytest.raises(Refused, match="at most one"):
        list(jobs.list(client="c1", status="queued"))


def test_another_tenant_finds_nothing(calling: Callable[[str], Jobs], deployment: Deployment) -> None:
    acme, globex = calling("acme"), calling("globex")
    job_id = acme.submit("greeting", {"name": "Ada"}).job_id
    deployment.work()
    for call in (
        lambda: globex.status(job_id),
        lambda: globex.cancel(job_id),
        lambda: globex.retry(job_id),
        lambda: globex.download(job_id, "greeting.txt"),
        lambda: globex.status("../acme"),
    ):
        with pytest.raises(NotFound):
            call()
    assert list(globex.list()) == []


def test_a_document_that_was_pinned_is_the_one_that_is_read(jobs: Jobs, deployment: Deployment) -> None:
    document = jobs.upload(b"from Bath", filename="letter.txt")
    job_id = jobs.submit("greeting", {"name": "Ada", "letter": document}).job_id
    client("s3").put_object(Bucket=BUCKET, Key=f"uploads/acme/{document}", Body=b"from somebody else")
    deployment.work()
    with pytest.raises(JobFailed, match="document"):
        jobs.result(job_id, Greeted)
