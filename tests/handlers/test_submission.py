"""Submitting a job: refusals with their reasons, the stored row, and the sent message."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from analysis_jobs import Analysis
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import first_id_at
from analysis_jobs.jobs.dispatch import SEND_GRACE
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.jobs.request_errors import RequestError
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.sweeper.sweeper import Sweeper
from tests.handlers.builders import MILLISECOND, MINUTE, START, Value, some_settings


class Order(BaseModel):
    model_config = ConfigDict(extra="allow")

    isbn: str
    copies: int = 1


def price(_job: Any) -> Value:
    return Value(text="x")


def describe(_job: Any) -> Value:
    return Value(text="y")


SETTINGS = some_settings(queue_urls={"low": "l", "medium": "m", "high": "h"})
ANALYSES = Analyses(
    [
        Analysis("valuation", request=Order, result=Value, stages=[price, describe], max_attempts=5),
        Analysis("hasty", request=Order, result=Value, stages=[price], deadline=MINUTE),
    ]
)


@pytest.fixture
def submissions(store: JobStore, clock: ManualClock) -> SubmissionService:
    return SubmissionService(store, MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)


def sent(submissions: SubmissionService) -> list[tuple[str, JobKey, timedelta]]:
    assert isinstance(submissions.queue, MemoryQueue)
    return submissions.queue.sent


def order(**fields: Any) -> Submission:
    given: dict[str, Any] = {"analysis": "valuation", "input": {"isbn": "42"}}
    return Submission.model_validate(given | fields)


def refusal(submissions: SubmissionService, submission: Submission, key: str | None = None) -> Problem:
    """Return the problem of a refused submission. Fail if a message was sent."""
    before = list(sent(submissions))
    with pytest.raises(RequestError) as refused:
        submissions.submit("acme", submission, key)
    assert sent(submissions) == before
    return problem_from(refused.value)


# Accepted submissions


def test_an_accepted_job_is_stored_and_its_message_is_sent(submissions: SubmissionService, clock: ManualClock) -> None:
    clock.advance(MILLISECOND)
    job = submissions.submit("acme", order(subject="books/42", client="web", project="autumn", priority="high"))
    now = START + MILLISECOND
    assert job == JobRecord(
        tenant="acme",
        job_id=job.job_id,
        analysis="valuation",
        status=Status.QUEUED,
        input=Payload(text='{"isbn":"42","copies":1}'),
        priority="high",
        created_at=now,
        deadline=now + timedelta(hours=6),
        max_attempts=5,
        due_at=now + SEND_GRACE,
        subject="books/42",
        client="web",
        project="autumn",
        stage="price",
    )
    assert first_id_at(now) <= job.job_id < first_id_at(now + MILLISECOND)
    assert submissions.store.get(job.key) == job
    assert submissions.store.latest("acme", "valuation", "books/42") == job
    assert sent(submissions) == [("high", job.key, timedelta())]


def test_a_large_input_goes_to_the_bucket(submissions: SubmissionService) -> None:
    job = submissions.submit("acme", order(input={"isbn": "4" * 40_000}))
    assert job.input == Payload(key=f"jobs/acme/{job.job_id}/0-input.json")
    assert isinstance(submissions.artifacts, MemoryArtifactStore)
    assert json.loads(submissions.artifacts.objects[str(job.input.key)]) == {"isbn": "4" * 40_000, "copies": 1}


@pytest.mark.parametrize(
    ("lanes", "asked", "given"),
    [
        (["low", "medium", "high"], None, "medium"),
        (["low", "medium", "high"], "low", "low"),
        (["only"], None, "only"),
        (["only"], "only", "only"),
    ],
)
def test_a_job_goes_into_the_lane_of_its_priority(
    submissions: SubmissionService, lanes: list[str], asked: str | None, given: str
) -> None:
    settings = some_settings(queue_urls={name: f"https://{name}" for name in lanes})
    assert replace(submissions, settings=settings).submit("acme", order(priority=asked)).priority == given


def test_a_job_with_a_short_deadline_is_due_at_its_deadline(submissions: SubmissionService) -> None:
    job = submissions.submit("acme", order(analysis="hasty"))
    assert (job.deadline, job.due_at) == (START + MINUTE, START + MINUTE)


def test_an_accepted_job_is_kept_if_its_message_is_lost(submissions: SubmissionService, clock: ManualClock) -> None:
    class Closed(MemoryQueue):
        def send(self, priority: str, job: JobKey, **options: Any) -> None:
            raise ConnectionError(f"{priority} does not take {job} ({options})")

    job = replace(submissions, queue=Closed()).submit("acme", order())
    clock.advance(SEND_GRACE)
    assert Sweeper(submissions.store, submissions.queue, SETTINGS, clock).sweep() == {"resend": 1}
    assert sent(submissions) == [("medium", job.key, timedelta())]


# Repeated submissions


def test_the_same_key_and_body_give_the_same_job_and_one_message(submissions: SubmissionService) -> None:
    first = submissions.submit("acme", order(subject="books/1"), "key")
    again = submissions.submit("acme", order(subject="books/1"), "key")
    assert again == first
    assert len(sent(submissions)) == 1


def test_the_same_key_gives_the_job_in_its_current_state(submissions: SubmissionService, clock: ManualClock) -> None:
    first = submissions.submit("acme", order(), "key")
    clock.advance(SEND_GRACE)
    Sweeper(submissions.store, submissions.queue, SETTINGS, clock).sweep()
    assert submissions.submit("acme", order(), "key").sends == first.sends + 1


@pytest.mark.parametrize(
    "other", [{"input": {"isbn": "43"}}, {"subject": "books/1"}, {"priority": "low"}, {"analysis": "hasty"}]
)
def test_the_same_key_with_another_body_is_refused(submissions: SubmissionService, other: dict[str, Any]) -> None:
    submissions.submit("acme", order(), "key")
    problem = refusal(submissions, order(**other), "key")
    assert (problem.status, [error.field for error in problem.errors]) == (422, ["Idempotency-Key"])
    assert "send a new key with each new request" in problem.detail


@pytest.mark.parametrize(("tenant", "key"), [("acme", "other"), ("acme", None), ("globex", "key"), ("acm", "e\nkey")])
def test_another_key_another_tenant_or_no_key_gives_a_new_job(
    submissions: SubmissionService, tenant: str, key: str | None
) -> None:
    first = submissions.submit("acme", order(), "key")
    assert submissions.submit(tenant, order(), key).job_id != first.job_id
    assert len(sent(submissions)) == 2


def test_a_key_can_be_used_again_after_a_day(submissions: SubmissionService, clock: ManualClock) -> None:
    first = submissions.submit("acme", order(), "key")
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert submissions.submit("acme", order(), "key").job_id == first.job_id
    clock.advance(timedelta(seconds=1))
    assert submissions.submit("acme", order(), "key").job_id != first.job_id


def test_a_key_of_an_expired_job_is_reported(submissions: SubmissionService) -> None:
    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return (lambda _key: None) if name == "get" else getattr(submissions.store, name)

    submissions.submit("acme", order(), "key")
    problem = refusal(replace(submissions, store=Forgetful()), order(), "key")
    assert (problem.status, "has expired" in problem.detail) == (410, True)


# Refused submissions


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"analysis": "nope"}, "analysis", "there is no analysis 'nope'; give one of: hasty, valuation"),
        ({"input": {}}, "input.isbn", "Field required"),
        ({"input": {"isbn": 42}}, "input.isbn", "Input should be a valid string"),
        ({"input": {"isbn": "1", "copies": "x"}}, "input.copies", "Input should be a valid integer"),
        ({"input": {"isbn": "half of a pair: \ud83d"}}, "input", "this is not JSON: "),
        ({"input": {"isbn": "x" * MAX_PAYLOAD_BYTES}}, "input", "give at most 5000000 bytes"),
        ({"priority": "urgent"}, "priority", "there is no priority 'urgent'; give one of: high, low, medium"),
        ({"priority": ""}, "priority", "there is no priority ''"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_submission_is_refused_and_the_problem_names_the_field(
    submissions: SubmissionService, fields: dict[str, Any], field: str, message: str
) -> None:
    problem = refusal(submissions, order(**fields))
    assert problem.status == 422
    assert [error.field for error in problem.errors] == [field]
    assert message in problem.errors[0].message


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_too_short_or_too_long_is_refused(submissions: SubmissionService, key: str) -> None:
    problem = refusal(submissions, order(), key)
    assert [(error.field, error.message) for error in problem.errors] == [
        ("Idempotency-Key", "give 1 to 255 characters")
    ]
    assert submissions.submit("acme", order(), "k" * 255).status is Status.QUEUED


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"tenant": "evil"}, "tenant"),
        ({"job_id": "01"}, "job_id"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 231}, "subject"),
        ({"client": ""}, "client"),
        ({"client": "x" * 129}, "client"),
        ({"project": ""}, "project"),
        ({"project": "x" * 129}, "project"),
        ({"subject": "\ud83d"}, "subject"),
        ({"input": []}, "input"),
        ({"analysis": None}, "analysis"),
    ],
)
def test_a_body_with_another_structure_is_refused(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        order(**fields)
    assert [error["loc"] for error in refused.value.errors()] == [(where,)]


def test_the_longest_names_are_accepted(submissions: SubmissionService) -> None:
    longest = order(subject="\U0001f4c8" * 230, client="\U0001f4c8" * 128, project="\U0001f4c8" * 128)
    job = submissions.submit("t" * 128, longest)
    assert submissions.store.latest("t" * 128, "valuation", "\U0001f4c8" * 230) == job
