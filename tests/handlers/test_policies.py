"""Submissions under a policy: the outcomes, the writes and messages, and the behaviour under concurrency."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, NewItems, Rate, Trigger
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.admission import AdmissionWrite, Outcome
from analysis_jobs.jobs.ports import Applied, Created, JobStore, WriteConflict
from analysis_jobs.jobs.record import Changes, IdempotencyKey, JobRecord, Payload
from analysis_jobs.jobs.request_errors import (
    IdempotencyKeyReusedError,
    NotAdmittedError,
    RateLimitedError,
    RequestError,
    StateConflictError,
    TooBusyError,
)
from analysis_jobs.jobs.transitions import CANCEL, CLAIM, COMPLETE, FAIL, Status, Transition
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.submission.admission_service import SubmissionResult
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.builders import MINUTE, SECOND, Value, some_settings

HOUR = timedelta(hours=1)


class Chat(BaseModel):
    user_id: str | int
    context: str = "support"
    messages: list[str] = []


def describe(_job: Any) -> Value:
    raise NotImplementedError


TRIGGERS = {
    "messages": Trigger("low", NewItems(at_least=2, count=lambda chat, _since: len(chat.messages))),
    "view": Trigger("medium"),
    "manual": Trigger("high", skips_freshness=True),
    "quiet": Trigger(),
}
ANALYSES = Analyses(
    [
        Analysis(
            "profile",
            request=Chat,
            result=Value,
            stages=[describe],
            subject="users/{user_id}/{context}",
            admission=Admission(fresh_for=HOUR, at_most=Rate(2, per=HOUR, of="users/{user_id}")),
            triggers=TRIGGERS,
        ),
        Analysis("single", request=Chat, result=Value, stages=[describe], admission=Admission()),
    ]
)
SETTINGS = some_settings(queue_urls={"low": "l", "medium": "m", "high": "h"})


@pytest.fixture
def submissions(store: JobStore, clock: ManualClock) -> SubmissionService:
    return SubmissionService(store, MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)


def ask(
    submissions: SubmissionService,
    trigger: str | None = "manual",
    key: str | None = None,
    tenant: str = "acme",
    **given: Any,
) -> SubmissionResult:
    submission = {"analysis": "profile", "input": {"user_id": "ada", **given}, "trigger": trigger}
    return submissions.submit_with_outcome(tenant, Submission.model_validate(submission), key)


def refusal(submissions: SubmissionService, **fields: Any) -> Problem:
    submission = {"analysis": "profile", "input": {"user_id": "ada"}, "trigger": "manual"} | fields
    with pytest.raises(RequestError) as refused:
        submissions.submit_with_outcome("acme", Submission.model_validate(submission))
    assert sent(submissions) == []
    return problem_from(refused.value)


def sent(submissions: SubmissionService) -> list[str]:
    assert isinstance(submissions.queue, MemoryQueue)
    return [priority for priority, *_ in submissions.queue.sent]


def the_job(answer: SubmissionResult) -> JobRecord:
    assert answer.job
    return answer.job


def take(submissions: SubmissionService, job: JobRecord, transition: Transition, **changes: Any) -> JobRecord:
    key, now = job.key, submissions.clock.now()
    outcome = submissions.store.transition(key, transition, Changes(changes), now=now, read=submissions.store.get(key))
    assert isinstance(outcome, Applied)
    return outcome.job


def end(submissions: SubmissionService, answer: SubmissionResult, how: Transition = COMPLETE) -> JobRecord:
    """Complete a job as a worker does."""
    take(submissions, the_job(answer), CLAIM, lease_until=submissions.clock.now() + MINUTE)
    return take(submissions, the_job(answer), how, finished_at=submissions.clock.now(), due_at=None, lease_until=None)


# The four outcomes


def test_a_submission_creates_a_job_in_the_lane_of_its_trigger(submissions: SubmissionService) -> None:
    answer = ask(submissions, "messages", messages=["a", "b"])
    job = the_job(answer)
    assert (answer.outcome, answer.reason) == (Outcome.CREATED, {})
    assert (job.subject, job.priority, job.status) == ("users/ada/support", "low", Status.QUEUED)
    assert (submissions.store.get(job.key), sent(submissions)) == (job, ["low"])


def test_an_active_job_is_returned_as_existing(submissions: SubmissionService) -> None:
    first = ask(submissions)
    again = ask(submissions, "view")
    assert (again.outcome, again.job, again.reason["code"]) == (Outcome.EXISTING, first.job, "active")
    assert sent(submissions) == ["high"]
    assert ask(submissions, context="other").outcome == Outcome.CREATED
    assert ask(submissions, tenant="other").outcome == Outcome.CREATED


def test_a_submission_for_a_fresh_subject_is_skipped_and_returns_the_last_analysis(
    submissions: SubmissionService, clock: ManualClock
) -> None:
    done = end(submissions, ask(submissions))
    again = ask(submissions, "view")
    assert (again.outcome, again.job, again.reason["code"]) == (Outcome.SKIPPED, done, "fresh")
    assert ask(submissions, "manual").outcome == Outcome.CREATED
    clock.advance(HOUR)
    assert ask(submissions, "view", context="other").outcome == Outcome.CREATED


def test_a_subject_stays_fresh_when_a_later_job_fails(submissions: SubmissionService) -> None:
    done = end(submissions, ask(submissions))
    end(submissions, ask(submissions), FAIL)
    assert ask(submissions, "view").job == done


def test_too_few_new_items_are_skipped_with_or_without_a_last_analysis(
    submissions: SubmissionService, clock: ManualClock
) -> None:
    none = ask(submissions, "messages", messages=["a"])
    assert (none.outcome, none.job, none.reason["code"]) == (Outcome.SKIPPED, None, "too_few_new_items")
    done = end(submissions, ask(submissions))
    clock.advance(2 * HOUR)
    few = ask(submissions, "messages", messages=["a"])
    assert (few.job, few.reason["new_items"], few.reason["at_least"]) == (done, 1, 2)


def test_a_submission_over_the_limit_gets_the_time_of_the_next_admission(
    submissions: SubmissionService, clock: ManualClock
) -> None:
    ask(submissions, context="one")
    clock.advance(10 * MINUTE)
    ask(submissions, context="two")
    clock.advance(MINUTE)
    with pytest.raises(RateLimitedError) as limited:
        ask(submissions, context="three")
    problem = problem_from(limited.value)
    body = problem.body()
    assert (body["status"], body["outcome"], body["reason"]["code"]) == (429, "limited", "rate_limited")
    assert problem.headers == {"Retry-After": str(49 * 60)}
    assert ask(submissions, context="three", user_id="bob").outcome == Outcome.CREATED
    clock.advance(49 * MINUTE)
    assert ask(submissions, context="three").outcome == Outcome.CREATED


def test_submit_job_returns_the_job_or_raises_a_conflict(submissions: SubmissionService) -> None:
    given = {"analysis": "profile", "input": {"user_id": 7}, "trigger": "messages"}
    submission = Submission.model_validate(given)
    with pytest.raises(NotAdmittedError, match="2 are needed"):
        submissions.submit("acme", submission)
    job = submissions.submit("acme", submission.model_copy(update={"trigger": "view"}))
    assert job.subject == "users/7/support"
    assert submissions.submit("acme", submission) == job


# Invalid submissions


@pytest.mark.parametrize(
    ("fields", "field", "hint"),
    [
        ({"trigger": None}, "trigger", "manual, messages, quiet, view"),
        ({"trigger": "other"}, "trigger", "manual, messages, quiet, view"),
        ({"priority": "low"}, "priority", "the trigger 'manual' sets the priority"),
        ({"subject": "users/bob/support"}, "subject", "'users/ada/support'"),
        ({"input": {"user_id": "a/b"}}, "input.user_id", "without a slash"),
        ({"input": {"user_id": ""}}, "input.user_id", "without a slash"),
        ({"input": {"user_id": "x" * 300}}, "subject", "at most 230"),
        ({"analysis": "single"}, "trigger", "leave the field out"),
        ({"analysis": "single", "trigger": None}, "subject", "give one"),
    ],
)
def test_the_error_names_the_invalid_field(
    submissions: SubmissionService, fields: dict[str, Any], field: str, hint: str
) -> None:
    problem = refusal(submissions, **fields)
    assert (problem.status, [error.field for error in problem.errors]) == (422, [field])
    assert hint in problem.detail


def test_the_caller_chooses_the_priority_if_the_trigger_has_none(submissions: SubmissionService) -> None:
    given = {"analysis": "profile", "input": {"user_id": "ada"}, "trigger": "quiet", "priority": "low"}
    assert submissions.submit("acme", Submission.model_validate(given)).priority == "low"


def test_a_trigger_with_a_lane_that_is_not_deployed_is_a_configuration_error(submissions: SubmissionService) -> None:
    with pytest.raises(ConfigurationError, match="unknown priority 'high'; give one of: low, medium"):
        replace(submissions, settings=some_settings(queue_urls={"low": "l", "medium": "m"}))


# The same key again


def test_a_repeated_key_returns_its_first_outcome_whatever_the_policy_says_now(
    submissions: SubmissionService, clock: ManualClock
) -> None:
    made = ask(submissions, key="k1")
    existing = ask(submissions, key="k2")
    done = end(submissions, made)
    skipped = ask(submissions, "view", key="k3")
    clock.advance(2 * HOUR)
    assert ask(submissions, key="k1") == replace(made, job=done)
    assert ask(submissions, key="k2") == replace(existing, job=done)
    assert ask(submissions, "view", key="k3") == skipped
    assert sent(submissions) == ["high"]


def test_a_key_reused_for_another_request_is_refused_before_any_rule(submissions: SubmissionService) -> None:
    ask(submissions, key="k1")
    with pytest.raises(IdempotencyKeyReusedError):
        ask(submissions, "view", key="k1")


def test_a_submission_over_the_limit_may_be_repeated_with_the_same_key(
    submissions: SubmissionService, clock: ManualClock
) -> None:
    ask(submissions, context="one")
    ask(submissions, context="two")
    with pytest.raises(RateLimitedError):
        ask(submissions, key="k", context="three")
    clock.advance(HOUR)
    assert ask(submissions, key="k", context="three").outcome == Outcome.CREATED


def test_of_two_concurrent_requests_with_one_key_the_slower_gets_the_answer_of_the_faster(
    submissions: SubmissionService,
) -> None:
    class Faster(MemoryJobStore):
        """A store that answers a second request with the same key while the first one is being decided."""

        raced = False

        def record_outcome(self, tenant: str, idempotency: IdempotencyKey, answered: Any, now: Any) -> Any:
            if not self.raced:
                self.raced = True
                ask(replace(submissions, store=self), key="k2")
            return super().record_outcome(tenant, idempotency, answered, now)

    racing = replace(submissions, store=Faster())
    first = ask(racing, key="k1")
    assert ask(racing, key="k2").job == first.job


# Many concurrent submissions


def test_a_hundred_concurrent_submissions_create_one_job(clock: ManualClock) -> None:
    submissions = SubmissionService(MemoryJobStore(), MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: ask(submissions, "view"), range(100)))
    assert Counter(answer.outcome for answer in answers) == {Outcome.CREATED: 1, Outcome.EXISTING: 99}
    assert len({the_job(answer).job_id for answer in answers}) == 1
    assert sent(submissions) == ["medium"]


def test_concurrent_submissions_for_a_hundred_contexts_create_only_as_many_jobs_as_the_rate_allows(
    clock: ManualClock,
) -> None:
    submissions = SubmissionService(MemoryJobStore(), MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)

    def one(number: int) -> int:
        try:
            ask(submissions, context=f"c{number}")
        except RateLimitedError:
            return 429
        return 202

    with ThreadPoolExecutor(32) as threads:
        assert Counter(threads.map(one, range(100))) == {202: 2, 429: 98}


def test_a_submission_that_always_loses_the_race_is_told_to_retry_later(submissions: SubmissionService) -> None:
    class Lost(MemoryJobStore):
        def admit(
            self, job: JobRecord, idempotency: IdempotencyKey | None, admission_write: AdmissionWrite
        ) -> Created | WriteConflict:
            super().admit(job, idempotency, admission_write)
            return WriteConflict()

    class Never(MemoryJobStore):
        def admit(self, *_: Any) -> Created | WriteConflict:
            return WriteConflict()

    with pytest.raises(TooBusyError) as busy:
        ask(replace(submissions, store=Never()))
    problem = problem_from(busy.value)
    assert (problem.status, problem.headers["Retry-After"]) == (503, "1")
    assert (
        ask(replace(submissions, store=Lost())).outcome == Outcome.CREATED
    )  # the first try was applied, but its reply was lost


def test_the_input_is_stored_only_for_admitted_jobs(submissions: SubmissionService) -> None:
    long = ["m" * 5_000]
    ask(submissions, messages=long)
    ask(submissions, messages=long)
    assert isinstance(submissions.artifacts, MemoryArtifactStore)
    assert len(submissions.artifacts.objects) == 1


# Retrying a job


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
