"""Decides whether a submission becomes a job, by the admission policy of its analysis.

All functions here are pure. The store reads an `AdmissionState`, and `decide` returns a decision about it. For an
admitted job, `admission_write` returns an `AdmissionWrite`. The store writes it in one transaction with the job, on
condition that the state has not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.transitions import Status

if TYPE_CHECKING:
    from analysis_jobs.jobs.record import JobRecord

# One item stores the time of every admission within `per`. Every submission reads and writes this item.
_MAX_RATE_COUNT = 1_000


class Outcome(StrEnum):
    """The result of a submission."""

    CREATED = "created"  # a new job
    EXISTING = "existing"  # no new job: the subject has an active one
    SKIPPED = "skipped"  # no new job: the last analysis is fresh, or too few items are new
    LIMITED = "limited"  # no new job: the rate is reached


@dataclass(frozen=True)
class Rate:
    """At most `count` new jobs within a sliding window of length `per`.

    The rate counts the jobs of each subject. With `of`, a template of the request's fields, it counts the jobs of each
    value of the template instead: `of="users/{user_id}"` counts all subjects of a user together. Failed and cancelled
    jobs count too, and so does each retry of a job.

    Raises `ConfigurationError` if `count` is not from 1 to 1,000 or `per` is not positive.
    """

    count: int
    per: timedelta
    of: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _MAX_RATE_COUNT:
            raise ConfigurationError(f"rate: count is {self.count}; give 1 to {_MAX_RATE_COUNT}")
        if self.per <= timedelta():
            raise ConfigurationError(f"rate: per is {self.per}; give a positive duration")


@dataclass(frozen=True)
class NewItems:
    """Admits a submission only if its request contains at least `at_least` new items.

    `count(request, since)` returns how many items of the validated request are newer than `since`. That is when the
    last completed job of the subject was submitted, or None if the subject has no completed job.

    Raises `ConfigurationError` if `at_least` is below 1.
    """

    at_least: int
    count: Callable[[Any, datetime | None], int]

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise ConfigurationError(f"new items: at_least is {self.at_least}; give 1 or more")


@dataclass(frozen=True)
class Trigger:
    """A reason to submit, which the caller names. It sets the priority of its jobs and the rules that apply.

    `new_items` adds a rule. `skips_freshness` ignores `Admission.fresh_for`.
    """

    priority: str | None = None
    new_items: NewItems | None = None
    skips_freshness: bool = False


@dataclass(frozen=True)
class Admission:
    """The admission policy of an analysis.

    `one_active`: while the subject has a queued or running job, a submission returns that job. `fresh_for`: for this
    time after the subject's last job completed, a submission is skipped. `at_most`: see `Rate`.

    Raises `ConfigurationError` for a policy without a rule, and for `fresh_for` without `one_active`.
    """

    one_active: bool = True
    fresh_for: timedelta | None = None
    at_most: Rate | None = None

    def __post_init__(self) -> None:
        if self.fresh_for is not None and self.fresh_for <= timedelta():
            raise ConfigurationError(f"admission: fresh_for is {self.fresh_for}; give a positive duration, or None")
        if self.fresh_for is not None and not self.one_active:
            raise ConfigurationError("admission: fresh_for needs one_active = True: it reads the subject's newest job")
        if not self.one_active and self.at_most is None:
            raise ConfigurationError("admission: the policy has no rule; set at_most, or leave one_active = True")


@dataclass(frozen=True)
class LastAnalysis:
    """The last completed job of a subject. Its pointer stores this when a newer job is admitted."""

    job_id: str
    submitted_at: datetime
    finished_at: datetime


@dataclass(frozen=True)
class AdmissionKey:
    """Names the pointers that a policy reads. `rate` is the filled template of the rate, None without a rate."""

    tenant: str
    analysis: str
    subject: str
    rate: str | None = None


@dataclass(frozen=True)
class SubjectPointer:
    """Points to the newest job of a subject. Every admission and every retry increments `version`."""

    job_id: str
    version: int = 0
    last_analysis: LastAnalysis | None = None


@dataclass(frozen=True)
class RatePointer:
    """The times of the latest admissions under a rate, oldest first. Every admission increments `version`."""

    admitted: tuple[datetime, ...]
    version: int = 0


@dataclass(frozen=True)
class AdmissionState:
    """The input of a decision: the pointers, and the row of the subject's newest job. None means not stored yet."""

    subject: SubjectPointer | None = None
    latest: JobRecord | None = None
    rate: RatePointer | None = None

    @property
    def last_analysis(self) -> LastAnalysis | None:
        """The last completed job of the subject, None if there is no such job."""
        latest = self.latest
        if latest is not None and latest.status is Status.COMPLETED and latest.finished_at is not None:
            return LastAnalysis(latest.job_id, latest.created_at, latest.finished_at)
        return self.subject.last_analysis if self.subject else None


@dataclass(frozen=True)
class AdmissionWrite:
    """The pointers to write with an admitted job, on condition that the stored ones still equal `expected`.

    The pointers may expire after `subject_until` and `rate_until`.
    """

    admission_key: AdmissionKey
    expected: AdmissionState
    subject: SubjectPointer
    rate: RatePointer | None
    subject_until: datetime
    rate_until: datetime | None


@dataclass(frozen=True)
class RetryCount:
    """A retry that the rate counts. `rate` is written on condition that the stored pointer still equals `expected`.

    The pointer may expire after `until`.
    """

    admission_key: AdmissionKey
    expected: RatePointer | None
    rate: RatePointer
    until: datetime


@dataclass(frozen=True)
class AdmissionDecision:
    """The result of `decide`. `job_id` is the job to return instead of a new one. `reason` is for the caller.

    `retry_at` is set if the rate is reached: from then on it admits another job.
    """

    outcome: Outcome
    job_id: str | None = None
    reason: Mapping[str, Any] = field(default_factory=dict)
    retry_at: datetime | None = None


def decide(
    admission: Admission, trigger: Trigger | None, admission_state: AdmissionState, request: Any, now: datetime
) -> AdmissionDecision:
    """Return whether to admit a submission. The first rule that rejects it determines the outcome."""
    latest, last_analysis = admission_state.latest, admission_state.last_analysis
    if admission.one_active and latest is not None and not latest.status.ended:
        return AdmissionDecision(
            Outcome.EXISTING, latest.job_id, _reason("active", f"a job of this subject is {latest.status}")
        )
    freshness = None if trigger and trigger.skips_freshness else admission.fresh_for
    if freshness and last_analysis and now < last_analysis.finished_at + freshness:
        return _skip_fresh(last_analysis, freshness)
    if trigger and trigger.new_items:
        found = trigger.new_items.count(request, last_analysis.submitted_at if last_analysis else None)
        if found < trigger.new_items.at_least:
            return _skip_too_few_items(found, trigger.new_items.at_least, last_analysis)
    if admission.at_most:
        recent = _recent_admissions(admission_state.rate, admission.at_most, now)
        if len(recent) >= admission.at_most.count:
            return _limit(admission.at_most, recent)
    return AdmissionDecision(Outcome.CREATED)


def decide_retry(rate: Rate, pointer: RatePointer | None, now: datetime) -> AdmissionDecision:
    """Return whether the rate allows a retry now. The other rules of a policy are for submissions."""
    recent = _recent_admissions(pointer, rate, now)
    return _limit(rate, recent) if len(recent) >= rate.count else AdmissionDecision(Outcome.CREATED)


def count_retry(rate: Rate, admission_key: AdmissionKey, pointer: RatePointer | None, now: datetime) -> RetryCount:
    """Return the pointer to write with a retry."""
    counted = RatePointer((*_recent_admissions(pointer, rate, now), now), (pointer.version if pointer else 0) + 1)
    return RetryCount(admission_key, pointer, counted, now + rate.per)


def admission_write(
    admission: Admission, admission_key: AdmissionKey, admission_state: AdmissionState, job: JobRecord, until: datetime
) -> AdmissionWrite:
    """Return the pointers to write with an admitted `job`. The subject's pointer may expire after `until`."""
    pointer = admission_state.subject
    subject = SubjectPointer(job.job_id, (pointer.version if pointer else 0) + 1, admission_state.last_analysis)
    rate, now = admission.at_most, job.created_at
    if rate is None:
        return AdmissionWrite(admission_key, admission_state, subject, None, until, None)
    version = (admission_state.rate.version if admission_state.rate else 0) + 1
    times = RatePointer((*_recent_admissions(admission_state.rate, rate, now), now), version)
    return AdmissionWrite(admission_key, admission_state, subject, times, until, now + rate.per)


def _recent_admissions(pointer: RatePointer | None, rate: Rate, now: datetime) -> tuple[datetime, ...]:
    return tuple(sorted(at for at in pointer.admitted if at > now - rate.per)) if pointer else ()


def _skip_fresh(last_analysis: LastAnalysis, freshness: timedelta) -> AdmissionDecision:
    until = last_analysis.finished_at + freshness
    times = {"analysed_at": rfc3339(last_analysis.finished_at), "fresh_until": rfc3339(until)}
    return AdmissionDecision(
        Outcome.SKIPPED, last_analysis.job_id, _reason("fresh", "the last analysis is still fresh", **times)
    )


def _skip_too_few_items(found: int, needed: int, last_analysis: LastAnalysis | None) -> AdmissionDecision:
    since = rfc3339(last_analysis.submitted_at) if last_analysis else None
    message = f"{found} new items since the last analysis; {needed} are needed"
    reason = _reason("too_few_new_items", message, new_items=found, at_least=needed, since=since)
    return AdmissionDecision(Outcome.SKIPPED, last_analysis.job_id if last_analysis else None, reason)


def _limit(rate: Rate, recent: tuple[datetime, ...]) -> AdmissionDecision:
    retry_at = recent[len(recent) - rate.count] + rate.per
    message = f"at most {rate.count} jobs in {rate.per} are allowed; try again at {rfc3339(retry_at)}"
    reason = _reason("rate_limited", message, limit=rate.count, per_seconds=int(rate.per.total_seconds()))
    return AdmissionDecision(Outcome.LIMITED, None, {**reason, "retry_at": rfc3339(retry_at)}, retry_at)


def _reason(code: str, message: str, **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **fields}
