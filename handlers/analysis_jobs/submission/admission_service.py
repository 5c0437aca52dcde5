"""Letting submissions in under a policy: read what stands, decide, write on condition; where it has changed, again."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
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
from analysis_jobs.jobs.ports import Created, Existing, JobStore
from analysis_jobs.jobs.record import IdempotencyKey, JobKey, JobRecord, pointer_until
from analysis_jobs.jobs.request_errors import RateLimitedError, TooBusyError

# Of many submissions of one subject one is let in, and all the others see it with their second try. More tries take
# only submissions that are all let in, as those of many subjects under one rate.
_TRIES = 10
_LONGEST_PAUSE_S = 0.2


@dataclass(frozen=True)
class Answer:
    """What became of a submission: its job, or the one that stands instead of it, and the reason of that.

    There is no job where a submission was skipped for a subject that has no completed one.
    """

    outcome: Outcome
    job: JobRecord | None
    reason: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A submission at the door. `keep` stores its input, which is done only for what is let in."""

    admission_key: AdmissionKey
    job: JobRecord
    request: Any
    trigger: Trigger | None
    idempotency: IdempotencyKey | None
    keep: Callable[[JobRecord], JobRecord]


@dataclass(frozen=True)
class AdmissionService:
    """Applies the policy of an analysis. A hundred submissions at once make as many jobs as it allows."""

    store: JobStore
    settings: Settings
    clock: Clock

    def admit(self, policy: Admission, entry: Entry) -> Answer | Existing:
        """Return what becomes of a submission; `Existing` where its idempotency key was used before.

        Raises `RateLimitedError`, and `TooBusyError` after too many lost concurrent writes.
        """
        job, idempotency, now = entry.job, entry.idempotency, entry.job.created_at
        until = pointer_until(job.deadline, self.settings.job_retention)
        kept: JobRecord | None = None
        for _ in range(_TRIES):
            admission_state, used = self.store.admission_state(entry.admission_key, idempotency, now)
            if _is_ours(job, admission_state, used):
                return Answer(Outcome.CREATED, kept or job)
            if used:
                return used
            verdict = decide(policy, entry.trigger, admission_state, entry.request, now)
            if verdict.outcome is not Outcome.CREATED:
                return self._refused(entry, admission_state, verdict)
            kept = kept or entry.keep(job)
            written = admission_write(policy, entry.admission_key, admission_state, kept, until)
            if isinstance(self.store.admit(kept, idempotency, written), Created):
                return Answer(Outcome.CREATED, kept)
            pause = random.uniform(0, _LONGEST_PAUSE_S)  # noqa: S311 - jitter, not a secret
            self.clock.sleep(timedelta(seconds=pause))
        raise TooBusyError("too many submissions at once: try again")

    def _refused(self, entry: Entry, admission_state: AdmissionState, verdict: AdmissionDecision) -> Answer | Existing:
        if verdict.retry_at is not None:
            # Not kept with an idempotency key: the same request is let in later.
            count("SubmissionsLimited")
            log(
                "submission.limited",
                verdict.reason["message"],
                tenant=entry.admission_key.tenant,
                analysis=entry.admission_key.analysis,
            )
            raise self._limited(verdict, entry)
        if entry.idempotency:
            digest, reason = entry.idempotency.body_digest, json.dumps(dict(verdict.reason))
            answered = Existing(verdict.job_id, digest, verdict.outcome, reason)
            now = entry.job.created_at
            if used := self.store.remember(entry.admission_key.tenant, entry.idempotency, answered, now):
                return used
        found = admission_state.latest
        if verdict.job_id and (found is None or found.job_id != verdict.job_id):
            found = self.store.get(JobKey(entry.admission_key.tenant, verdict.job_id))
        return Answer(verdict.outcome, found if verdict.job_id else None, verdict.reason)

    def _limited(self, verdict: AdmissionDecision, entry: Entry) -> RateLimitedError:
        assert verdict.retry_at  # noqa: S101 - the caller has checked it
        seconds = -((entry.job.created_at - verdict.retry_at) // timedelta(seconds=1))
        return RateLimitedError(verdict.reason["message"], max(1, seconds), verdict.reason)


def _is_ours(job: JobRecord, admission_state: AdmissionState, used: Existing | None) -> bool:
    """Tell whether an earlier try landed after all, and only its reply was lost."""
    return job.job_id in (used and used.job_id, admission_state.subject and admission_state.subject.job_id)
