"""Submissions under a policy: the outcomes, the writes and messages, and the behaviour under concurrency."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from analysis_jobs.api.problems import problem_from
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.admission import AdmissionWrite, Outcome
from analysis_jobs.jobs.ports import Created, JobStore, WriteConflict
from analysis_jobs.jobs.record import IdempotencyKey, JobRecord
from analysis_jobs.jobs.request_errors import (
    IdempotencyKeyReusedError,
    NotAdmittedError,
    RateLimitedError,
    TooBusyError,
)
from analysis_jobs.jobs.transitions import FAIL, Status
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.builders import MINUTE, some_settings
from tests.handlers.policies import ANALYSES, HOUR, SETTINGS, ask, end, refusal, sent, the_job


@pytest.fixture
def submissions(store: JobStore, clock: ManualClock) -> SubmissionService:
    return SubmissionService(store, MemoryQueue(), MemoryArtifactStore(), ANALYSES, SETTINGS, clock)


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
