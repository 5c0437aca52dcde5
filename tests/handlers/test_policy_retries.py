"""A retry of a job obeys the admission policy of its analysis."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from analysis_jobs import Admission, Rate
from analysis_jobs.api.problems import problem_from
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.admission import Outcome
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.record import Payload
from analysis_jobs.jobs.request_errors import RateLimitedError, StateConflictError
from analysis_jobs.jobs.transitions import CANCEL, FAIL, Status
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryQueue
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import SubmissionService
from tests.handlers.builders import MINUTE, SECOND
from tests.handlers.policies import ANALYSES, HOUR, SETTINGS, ask, end, sent, take, the_job


@pytest.fixture
def submissions(store: JobStore, clock: ManualClock) -> SubmissionService:
    return SubmissionService(store, MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)


@pytest.fixture
def control(submissions: SubmissionService) -> JobControl:
    return JobControl(
        submissions.store,
        submissions.queue,
        submissions.artifacts,
        submissions.analyses,
        submissions.settings,
        submissions.clock,
    )


def test_an_older_job_cannot_be_retried_while_a_newer_job_is_active(
    submissions: SubmissionService, control: JobControl, clock: ManualClock
) -> None:
    older = end(submissions, ask(submissions), FAIL)
    clock.advance(SECOND)
    newer = the_job(ask(submissions))
    with pytest.raises(StateConflictError, match=f"has a newer job, {newer.job_id}"):
        control.retry(older.key)
    take(submissions, newer, CANCEL, finished_at=clock.now(), due_at=None)
    with pytest.raises(StateConflictError, match="has a newer job"):
        control.retry(older.key)
    clock.advance(HOUR)
    assert control.retry(newer.key).status == Status.QUEUED
    assert ask(submissions, "view").job == submissions.store.get(newer.key)


def test_a_retried_job_becomes_the_active_job(submissions: SubmissionService, control: JobControl) -> None:
    job = end(submissions, ask(submissions), FAIL)
    assert control.retry(job.key).status == Status.QUEUED
    assert ask(submissions).outcome == Outcome.EXISTING
    assert control.retry(job.key) == submissions.store.get(job.key)
    assert sent(submissions) == ["high", "high"]


def test_a_retry_counts_towards_the_rate(
    submissions: SubmissionService, control: JobControl, clock: ManualClock
) -> None:
    job = end(submissions, ask(submissions), FAIL)
    clock.advance(MINUTE)
    again = control.retry(job.key)
    assert again.status == Status.QUEUED
    take(submissions, again, CANCEL, finished_at=clock.now(), due_at=None)
    with pytest.raises(RateLimitedError) as refused:
        control.retry(job.key)
    problem = problem_from(refused.value)
    assert (problem.status, problem.members["outcome"], problem.headers["Retry-After"]) == (429, "limited", "3540")
    with pytest.raises(RateLimitedError):
        ask(submissions, context="another subject of the same user")
    clock.advance(HOUR - MINUTE)
    assert control.retry(job.key).status == Status.QUEUED


def test_a_retry_of_an_active_job_is_not_counted(submissions: SubmissionService, control: JobControl) -> None:
    job = the_job(ask(submissions))
    assert control.retry(job.key) == control.retry(job.key) == job
    assert ask(submissions, context="other").outcome == Outcome.CREATED


def test_a_job_whose_input_does_not_fill_the_rate_of_newer_code_is_not_retried(
    submissions: SubmissionService, control: JobControl
) -> None:
    job = end(submissions, ask(submissions), FAIL)
    newer = replace(ANALYSES["profile"], admission=Admission(at_most=Rate(2, per=HOUR, of="teams/{user_id}")))
    older_input = replace(job, input=Payload('{"context": "support"}'))
    with (
        patch.object(type(control.store), "get", lambda *_: older_input),
        pytest.raises(StateConflictError, match=r"does not fill 'teams/\{user_id\}'"),
    ):
        replace(control, analyses=Analyses([newer])).retry(job.key)
