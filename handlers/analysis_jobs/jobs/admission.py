"""Decides whether a submission becomes a job, by the admission policy of its analysis.

Everything here is pure. The store reads an `AdmissionState`, `decide` returns a decision about it, and `AdmissionWrite`
is what the store writes together with the job, on condition that the state has not changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status

# The times of as many admissions are kept in one item, which every submission reads and writes.
_LARGEST_RATE = 1_000


class Outcome(StrEnum):
    """What became of a submission."""

    CREATED = "created"
    EXISTING = "existing"
    SKIPPED = "skipped"
    LIMITED = "limited"


@dataclass(frozen=True)
class Rate:
    """At most `count` new jobs within any `per`; of the subject, or of `of`: a template of the request's fields.

    `of="users/{user_id}"` counts all subjects of one user together. A job counts whatever becomes of it; running it
    again (`retry`) is no new job.
    """

    count: int
    per: timedelta
    of: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _LARGEST_RATE:
            raise ConfigurationError(f"rate: count is {self.count}; give 1 to {_LARGEST_RATE}")
        if self.per <= timedelta():
            raise ConfigurationError(f"rate: per is {self.per}; give a time")


@dataclass(frozen=True)
class NewItems:
    """A job only where at least so many items are new.

    `count(request, since)` returns how many items of the validated request are newer than `since`: the moment at which
    the last completed job of the subject was submitted, None where there is none.
    """

    at_least: int
    count: Callable[[Any, datetime | None], int]

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise ConfigurationError(f"new items: at_least is {self.at_least}; give 1 or more")


@dataclass(frozen=True)
class Trigger:
    """A reason to submit, which callers name: the priority of its jobs, and which rules hold for it."""

    priority: str | None = None
    new_items: NewItems | None = None
    skips_freshness: bool = False


@dataclass(frozen=True)
class Admission:
    """The policy of an analysis.

    `one_active`: while a job of the subject waits or is worked on, a submission is answered with that job.
    `fresh_for`: for so long after a subject's last job has completed there is no new one. `at_most`: see `Rate`.
    """

    one_active: bool = True
    fresh_for: timedelta | None = None
    at_most: Rate | None = None

    def __post_init__(self) -> None:
        if self.fresh_for is not None and self.fresh_for <= timedelta():
            raise ConfigurationError(f"admission: fresh_for is {self.fresh_for}; give a time, or None")
        if self.fresh_for is not None and not self.one_active:
            raise ConfigurationError("admission: fresh_for looks at the subject's newest job, so it needs one_active")
        if not self.one_active and self.at_most is None:
            raise ConfigurationError("admission: it has no rule; give at_most, or leave one_active as it is")


@dataclass(frozen=True)
class LastAnalysis:
    """The last completed job of a subject, as it is remembered when a newer one follows."""

    job_id: str
    submitted_at: datetime
    finished_at: datetime


@dataclass(frozen=True)
class AdmissionKey:
    """What names the pointers that a submission has to pass; `rate` is the rate's subject, None without a rate."""

    tenant: str
    analysis: str
    subject: str
    rate: str | None = None


@dataclass(frozen=True)
class SubjectPointer:
    """Which job of a subject is the newest. `version` grows with every job that is let in or run again."""

    job_id: str
    version: int = 0
    analysed: LastAnalysis | None = None


@dataclass(frozen=True)
class RatePointer:
    """When the last jobs of a rate's subject were let in, oldest first."""

    admitted: tuple[datetime, ...]
    version: int = 0


@dataclass(frozen=True)
class AdmissionState:
    """What is known when a submission arrives: the pointers, and the row of the subject's newest job."""

    subject: SubjectPointer | None = None
    latest: JobRecord | None = None
    rate: RatePointer | None = None

    @property
    def analysed(self) -> LastAnalysis | None:
        """The last completed job of the subject."""
        latest = self.latest
        if latest is not None and latest.status is Status.COMPLETED and latest.finished_at is not None:
            return LastAnalysis(latest.job_id, latest.created_at, latest.finished_at)
        return self.subject.analysed if self.subject else None


@dataclass(frozen=True)
class AdmissionWrite:
    """What is written together with an admitted job, if the pointers are still those of `seen`."""

    admission_key: AdmissionKey
    seen: AdmissionState
    subject: SubjectPointer
    rate: RatePointer | None
    subject_until: datetime
    rate_until: datetime | None


@dataclass(frozen=True)
class AdmissionDecision:
    """What `decide` says. `job_id` is the job that stands instead of a new one, `reason` is for the caller."""

    outcome: Outcome
    job_id: str | None = None
    reason: Mapping[str, Any] = field(default_factory=dict)
    retry_at: datetime | None = None


def decide(
    admission: Admission, trigger: Trigger | None, admission_state: AdmissionState, request: Any, now: datetime
) -> AdmissionDecision:
    """Return what becomes of a submission. The first rule that does not let it in answers it."""
    latest, analysed = admission_state.latest, admission_state.analysed
    if admission.one_active and latest is not None and not latest.status.ended:
        return AdmissionDecision(
            Outcome.EXISTING, latest.job_id, _reason("active", f"a job of this subject is {latest.status}")
        )
    freshness = None if trigger and trigger.skips_freshness else admission.fresh_for
    if freshness and analysed and now < analysed.finished_at + freshness:
        return _fresh(analysed, freshness)
    if trigger and trigger.new_items:
        found = trigger.new_items.count(request, analysed.submitted_at if analysed else None)
        if found < trigger.new_items.at_least:
            return _too_few(found, trigger.new_items.at_least, analysed)
    if admission.at_most:
        recent = _recent(admission_state.rate, admission.at_most, now)
        if len(recent) >= admission.at_most.count:
            return _limited(admission.at_most, recent)
    return AdmissionDecision(Outcome.CREATED)


def admission_write(
    admission: Admission, admission_key: AdmissionKey, admission_state: AdmissionState, job: JobRecord, until: datetime
) -> AdmissionWrite:
    """Return what to write with `job`, which `decide` let in; `until` is how long the subject's pointer is kept."""
    pointer = admission_state.subject
    subject = SubjectPointer(job.job_id, (pointer.version if pointer else 0) + 1, admission_state.analysed)
    rate, now = admission.at_most, job.created_at
    if rate is None:
        return AdmissionWrite(admission_key, admission_state, subject, None, until, None)
    version = (admission_state.rate.version if admission_state.rate else 0) + 1
    times = RatePointer((*_recent(admission_state.rate, rate, now), now), version)
    return AdmissionWrite(admission_key, admission_state, subject, times, until, now + rate.per)


def _recent(pointer: RatePointer | None, rate: Rate, now: datetime) -> tuple[datetime, ...]:
    return tuple(sorted(at for at in pointer.admitted if at > now - rate.per)) if pointer else ()


def _fresh(analysed: LastAnalysis, freshness: timedelta) -> AdmissionDecision:
    until = analysed.finished_at + freshness
    times = {"analysed_at": rfc3339(analysed.finished_at), "fresh_until": rfc3339(until)}
    return AdmissionDecision(
        Outcome.SKIPPED, analysed.job_id, _reason("fresh", "the last analysis is still fresh", **times)
    )


def _too_few(found: int, needed: int, analysed: LastAnalysis | None) -> AdmissionDecision:
    since = rfc3339(analysed.submitted_at) if analysed else None
    message = f"{found} new items since the last analysis; {needed} are needed"
    reason = _reason("too_few_new_items", message, new_items=found, at_least=needed, since=since)
    return AdmissionDecision(Outcome.SKIPPED, analysed.job_id if analysed else None, reason)


def _limited(rate: Rate, recent: tuple[datetime, ...]) -> AdmissionDecision:
    retry_at = recent[len(recent) - rate.count] + rate.per
    message = f"{rate.count} in {rate.per} are allowed; try again at {rfc3339(retry_at)}"
    reason = _reason("rate_limited", message, limit=rate.count, per_seconds=int(rate.per.total_seconds()))
    return AdmissionDecision(Outcome.LIMITED, None, {**reason, "retry_at": rfc3339(retry_at)}, retry_at)


def _reason(code: str, message: str, **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **fields}
