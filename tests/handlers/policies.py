"""Analyses with admission policies, and the steps of their tests."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, NewItems, Rate, Trigger
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.jobs.ports import Applied
from analysis_jobs.jobs.record import Changes, JobRecord
from analysis_jobs.jobs.request_errors import RequestError
from analysis_jobs.jobs.transitions import CLAIM, COMPLETE, Transition
from analysis_jobs.stores.memory import MemoryQueue
from analysis_jobs.submission.admission_service import SubmissionResult
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.builders import MINUTE, Value, some_settings

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
