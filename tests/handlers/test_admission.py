"""The policy alone: its decisions for each admission state, as a table, and the policies that are refused."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, NewItems, Rate, Trigger
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.admission import (
    AdmissionKey,
    AdmissionState,
    LastAnalysis,
    Outcome,
    RatePointer,
    SubjectPointer,
    admission_write,
    decide,
)
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status
from tests.handlers.builders import MILLISECOND, MINUTE, SECOND, START, Value, a_job

HOUR = timedelta(hours=1)
POLICY = Admission(fresh_for=HOUR, at_most=Rate(2, per=HOUR))
GATE = AdmissionKey("acme", "chat", "users/1", "users/1")


def admission_state(
    job: JobRecord | None = None, *admitted: datetime, analysed: LastAnalysis | None = None
) -> AdmissionState:
    """Return the state with `job` as the newest of its subject, and with the times of admitted jobs."""
    return AdmissionState(
        SubjectPointer(job.job_id, 1, analysed) if job else None,
        job,
        RatePointer(admitted, len(admitted)) if admitted else None,
    )


def ended(status: Status = Status.COMPLETED, *, ago: timedelta) -> JobRecord:
    """Return a job that ended `ago`, one minute after its submission."""
    return a_job(status=status, created_at=START - ago - MINUTE, finished_at=START - ago)


def outcome(
    known: AdmissionState, policy: Admission = POLICY, trigger: Trigger | None = None
) -> tuple[str, str | None]:
    """Return the decision at `START`, and the code of its reason."""
    verdict = decide(policy, trigger, known, None, START)
    return verdict.outcome, verdict.reason.get("code")


@pytest.mark.parametrize(
    ("known", "decided"),
    [
        pytest.param(admission_state(), ("created", None), id="of a new subject"),
        pytest.param(admission_state(a_job()), ("existing", "active"), id="while one waits"),
        pytest.param(
            admission_state(a_job(status=Status.PROCESSING)), ("existing", "active"), id="while one is worked on"
        ),
        pytest.param(admission_state(ended(ago=HOUR)), ("created", None), id="of a subject that is no longer fresh"),
        pytest.param(admission_state(ended(ago=HOUR - MILLISECOND)), ("skipped", "fresh"), id="of a fresh subject"),
        pytest.param(admission_state(ended(Status.FAILED, ago=SECOND)), ("created", None), id="after a failure"),
        pytest.param(admission_state(ended(Status.CANCELLED, ago=SECOND)), ("created", None), id="after a cancel"),
        pytest.param(admission_state(None, START - HOUR, START), ("created", None), id="with one left"),
        pytest.param(
            admission_state(None, START - HOUR + MILLISECOND, START), ("limited", "rate_limited"), id="of too many"
        ),
        pytest.param(admission_state(a_job(), START, START), ("existing", "active"), id="of too many while one waits"),
        pytest.param(
            admission_state(None, START, START + SECOND), ("limited", "rate_limited"), id="after another's clock"
        ),
    ],
)
def test_the_policy_decides_a_submission_from_the_state(known: AdmissionState, decided: tuple[str, str | None]) -> None:
    assert outcome(known) == decided


def test_a_failed_job_leaves_the_last_analysis_fresh() -> None:
    analysed = LastAnalysis("old", START - 2 * MINUTE, START - MINUTE)
    known = admission_state(ended(Status.FAILED, ago=SECOND), analysed=analysed)
    verdict = decide(POLICY, None, known, None, START)
    assert (verdict.outcome, verdict.job_id) == (Outcome.SKIPPED, "old")
    assert verdict.reason == {
        "code": "fresh",
        "message": "the last analysis is still fresh",
        "analysed_at": "2025-12-31T23:59:00.000Z",
        "fresh_until": "2026-01-01T00:59:00.000Z",
    }


def test_a_trigger_may_skip_freshness_but_no_other_rule() -> None:
    manual = Trigger(skips_freshness=True)
    assert outcome(admission_state(ended(ago=SECOND)), trigger=manual) == ("created", None)
    assert outcome(admission_state(a_job()), trigger=manual) == ("existing", "active")
    assert outcome(admission_state(ended(ago=SECOND), START, START), trigger=manual) == ("limited", "rate_limited")


def test_new_items_are_counted_since_the_last_completed_job_was_submitted() -> None:
    asked: list[datetime | None] = []

    def count(_request: Any, since: datetime | None) -> int:
        asked.append(since)
        return 4

    trigger = Trigger(new_items=NewItems(at_least=5, count=count))
    verdict = decide(POLICY, trigger, admission_state(), None, START)
    assert (verdict.outcome, verdict.job_id) == (Outcome.SKIPPED, None)
    assert verdict.reason == {
        "code": "too_few_new_items",
        "message": "4 new items since the last analysis; 5 are needed",
        "new_items": 4,
        "at_least": 5,
        "since": None,
    }
    old = ended(ago=2 * HOUR)
    assert decide(POLICY, trigger, admission_state(old), None, START).job_id == old.job_id
    assert asked == [None, START - 2 * HOUR - MINUTE]
    enough = Trigger(new_items=NewItems(at_least=4, count=count))
    assert outcome(admission_state(), trigger=enough) == ("created", None)


def test_a_limit_says_when_the_next_job_is_admitted() -> None:
    known = admission_state(None, START - 30 * MINUTE, START - 10 * MINUTE)
    verdict = decide(POLICY, None, known, None, START)
    assert verdict.retry_at == START + 30 * MINUTE
    assert verdict.reason["retry_at"] == "2026-01-01T00:30:00.000Z"
    assert decide(POLICY, None, known, None, START + 30 * MINUTE).outcome == "created"
    once = Admission(at_most=Rate(1, per=HOUR))
    assert decide(once, None, known, None, START).retry_at == START + 50 * MINUTE


def test_without_one_active_only_the_rate_counts() -> None:
    policy = Admission(one_active=False, at_most=Rate(1, per=HOUR))
    assert outcome(admission_state(a_job()), policy) == ("created", None)
    assert outcome(admission_state(a_job(), START), policy) == ("limited", "rate_limited")


def test_the_write_names_the_job_and_drops_admissions_outside_the_period() -> None:
    old = ended(ago=2 * HOUR)
    known = admission_state(old, START - 3 * HOUR, START - MINUTE)
    job = a_job(created_at=START, subject="users/1")
    written = admission_write(POLICY, GATE, known, job, START + 30 * HOUR)
    analysed = LastAnalysis(old.job_id, old.created_at, START - 2 * HOUR)
    assert written.subject == SubjectPointer(job.job_id, 2, analysed)
    assert written.rate == RatePointer((START - MINUTE, START), 3)
    assert (written.subject_until, written.rate_until) == (START + 30 * HOUR, START + HOUR)


class Chat(BaseModel):
    user_id: str
    context: str = "any"


class Triggered(Chat):
    trigger: str


def declare(**fields: Any) -> Analysis[Any, Any]:
    def work(_job: Any) -> Value:
        raise NotImplementedError

    given: dict[str, Any] = {"name": "chat", "request": Chat, "result": Value, "stages": [work]}
    return Analysis(**(given | fields))


COUNTING = Trigger(new_items=NewItems(at_least=1, count=lambda _request, _since: 0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rate(0, per=HOUR), "rate: count is 0"),
        (lambda: Rate(1_001, per=HOUR), "rate: count is 1001"),
        (lambda: Rate(1, per=timedelta()), "rate: per is 0:00:00"),
        (lambda: NewItems(at_least=0, count=lambda *_: 0), "at_least is 0"),
        (lambda: Admission(fresh_for=timedelta()), "fresh_for is 0:00:00"),
        (lambda: Admission(fresh_for=HOUR, one_active=False), "fresh_for needs one_active"),
        (lambda: Admission(one_active=False), "the policy has no rule"),
        (lambda: declare(triggers={"view": Trigger()}), "triggers need an admission policy"),
        (lambda: declare(admission=Admission(at_most=Rate(1, HOUR, of="users/{name}"))), "has no field name"),
        (
            lambda: declare(admission=Admission(at_most=Rate(1, HOUR, of="users/{user_id"))),
            "rate .* is not a valid template",
        ),
        (lambda: declare(subject="users/{user_id.x}", submit_route="POST /x"), "give plain field names in braces"),
        (lambda: declare(admission=Admission(), submit_route="POST /x/{client}"), "needs a subject"),
        (
            lambda: declare(request=Triggered, admission=Admission(), triggers={"view": Trigger()}),
            "a field `trigger`",
        ),
        (
            lambda: declare(
                admission=Admission(one_active=False, at_most=Rate(1, HOUR)), triggers={"messages": COUNTING}
            ),
            "new_items of a trigger",
        ),
    ],
)
def test_a_policy_that_cannot_work_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_subject_from_the_input_needs_no_parameter_in_the_route() -> None:
    analysis = declare(
        subject="users/{user_id}/{context}", submit_route="POST /analyze", status_route="GET /{user_id}/{context}"
    )
    assert analysis.subject_from_input
    assert not declare(subject="books/{id}", submit_route="POST /books/{id}").subject_from_input
