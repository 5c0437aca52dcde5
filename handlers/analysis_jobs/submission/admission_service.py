"""Applies the admission policy of an analysis to a submission.

Reads the state, decides, and writes on condition that the state is unchanged. If the condition fails, it tries again.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import (
    Admission,
    AdmissionDecision,
    AdmissionKey,
    AdmissionState,
    Outcome,
    Trigger,
    admission_write,
    decide,
)
from analysis_jobs.jobs.ports import Created, JobStore, StoredOutcome
from analysis_jobs.jobs.record import IdempotencyKey, JobKey, JobRecord, pointer_until
from analysis_jobs.jobs.request_errors import RateLimitedError, TooBusyError

# Of concurrent submissions of one subject one is admitted, and the others find its job in their second try. Only
# submissions that are all admitted need more tries, for example those of many subjects under one rate.
_TRIES = 10
_MAX_PAUSE_S = 0.2


@dataclass(frozen=True)
class SubmissionResult:
    """The result of a submission: the new job, or the existing job to use instead and the reason.

    `job` is None if the policy skipped the submission and the subject has no completed job.
    """

    outcome: Outcome
    job: JobRecord | None
    reason: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AdmissionRequest:
    """A validated submission. `store_input` stores its input. It is called only for an admitted submission."""

    admission_key: AdmissionKey
    job: JobRecord
    request: Any
    trigger: Trigger | None
    idempotency: IdempotencyKey | None
    store_input: Callable[[JobRecord], JobRecord]


@dataclass(frozen=True)
class AdmissionService:
    """Applies admission policies. Concurrent submissions never create more jobs than the policy allows."""

    store: JobStore
    settings: Settings
    clock: Clock

    def admit(self, policy: Admission, submission: AdmissionRequest) -> SubmissionResult | StoredOutcome:
        """Apply `policy` to a submission. Returns `StoredOutcome` if its idempotency key was used before.

        Raises `RateLimitedError`, and `TooBusyError` after too many lost concurrent writes.
        """
        job, idempotency, now = submission.job, submission.idempotency, submission.job.created_at
        until = pointer_until(job.deadline, self.settings.job_retention)
        with_input: JobRecord | None = None
        for _ in range(_TRIES):
            admission_state, used = self.store.read_admission_state(submission.admission_key, idempotency, now)
            if _earlier_try_succeeded(job, admission_state, used):
                return SubmissionResult(Outcome.CREATED, with_input or job)
            if used:
                return used
            decision = decide(policy, submission.trigger, admission_state, submission.request, now)
            if decision.outcome is not Outcome.CREATED:
                return self._not_admitted(submission, admission_state, decision)
            with_input = with_input or submission.store_input(job)
            written = admission_write(policy, submission.admission_key, admission_state, with_input, until)
            if isinstance(self.store.admit(with_input, idempotency, written), Created):
                return SubmissionResult(Outcome.CREATED, with_input)
            pause = random.uniform(0, _MAX_PAUSE_S)  # noqa: S311 - jitter needs no secure random
            self.clock.sleep(timedelta(seconds=pause))
        raise TooBusyError("too many concurrent submissions: try again")

    def _not_admitted(
        self, submission: AdmissionRequest, admission_state: AdmissionState, decision: AdmissionDecision
    ) -> SubmissionResult | StoredOutcome:
        if decision.retry_at is not None:
            # Do not store this outcome with the idempotency key: a later try of the same request may be admitted.
            count("SubmissionsLimited")
            log(
                "submission.limited",
                decision.reason["message"],
                tenant=submission.admission_key.tenant,
                analysis=submission.admission_key.analysis,
            )
            raise rate_limited(decision, submission.job.created_at)
        if submission.idempotency:
            digest, reason = submission.idempotency.body_digest, json.dumps(dict(decision.reason))
            outcome = StoredOutcome(decision.job_id, digest, decision.outcome, reason)
            now = submission.job.created_at
            if used := self.store.record_outcome(submission.admission_key.tenant, submission.idempotency, outcome, now):
                return used
        existing = admission_state.latest
        if decision.job_id and (existing is None or existing.job_id != decision.job_id):
            existing = self.store.get(JobKey(submission.admission_key.tenant, decision.job_id))
        return SubmissionResult(decision.outcome, existing if decision.job_id else None, decision.reason)


def rate_limited(decision: AdmissionDecision, now: datetime) -> RateLimitedError:
    """Return the error for a decision with a `retry_at`."""
    assert decision.retry_at  # noqa: S101 - the caller checks it
    seconds = -((now - decision.retry_at) // timedelta(seconds=1))
    return RateLimitedError(decision.reason["message"], max(1, seconds), decision.reason)


def _earlier_try_succeeded(job: JobRecord, admission_state: AdmissionState, used: StoredOutcome | None) -> bool:
    """Return whether an earlier try of this submission succeeded and only its reply was lost."""
    return job.job_id in (used and used.job_id, admission_state.subject and admission_state.subject.job_id)
