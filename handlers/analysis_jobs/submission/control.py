"""Cancels and retries submitted jobs."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.model_json import restore
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import Admission, AdmissionKey, Rate, RetryCount, count_retry, decide_retry
from analysis_jobs.jobs.dispatch import send_grace, send_or_leave
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.ports import (
    Applied,
    ArtifactStore,
    ConditionFailed,
    JobQueue,
    JobStore,
    Superseded,
    WriteConflict,
)
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord, ending, pointer_until
from analysis_jobs.jobs.request_errors import InvalidRequestError, StateConflictError, UnknownResourceError
from analysis_jobs.jobs.traces import sending
from analysis_jobs.jobs.transitions import CANCEL, REQUEST_CANCEL, RETRY, Status, Transition
from analysis_jobs.submission.admission_service import rate_limited
from analysis_jobs.submission.request_fields import fill_from_request

# A worker may change the job between the read and the write. Then the new state decides.
_TRIES = 5


@dataclass(frozen=True)
class JobControl:
    """Cancels and retries jobs. Both are idempotent."""

    store: JobStore
    queue: JobQueue
    artifacts: ArtifactStore
    analyses: Analyses
    settings: Settings
    clock: Clock

    def cancel(self, key: JobKey) -> JobRecord:
        """Cancel a queued job. For a running job, ask its worker to stop, which takes up to one heartbeat.

        Raises `UnknownResourceError`, and `StateConflictError` if the job has completed or failed.
        """
        job = self._load_job(key)
        for _ in range(_TRIES):
            match job.status:
                case Status.QUEUED:
                    transition, changes = CANCEL, self._cancel_changes(key.tenant)
                case Status.PROCESSING if job.cancel_asked_at is None:
                    transition, changes = REQUEST_CANCEL, {"cancel_asked_at": self.clock.now()}
                case Status.PROCESSING | Status.CANCELLED:
                    return job
                case _:
                    raise StateConflictError(f"the job has {job.status}, so it cannot be cancelled")
            applied, job = self._apply(key, transition, changes, job)
            if applied:
                return job
        raise StateConflictError("the job keeps changing: try again")

    def retry(self, key: JobKey) -> JobRecord:
        """Run a failed or cancelled job again with all attempts and a new deadline. Finished stages are kept.

        It counts towards the rate of the analysis. Raises `UnknownResourceError`, and `RateLimitedError` if the rate is
        reached. Raises `StateConflictError` if the job has completed, if its analysis is not
        deployed any more, or if the analysis allows one active job per subject and the subject has a newer job.
        """
        job = self._load_job(key)
        with sending(job, self.settings, again=True):
            return self._retry(job)

    def _retry(self, job: JobRecord) -> JobRecord:
        for _ in range(_TRIES):
            if not job.status.ended:
                return job
            if job.status is Status.COMPLETED:
                raise StateConflictError("the job has completed, so it cannot run again: submit a new job")
            applied, job = self._apply_retry(job)
            if applied:
                send_or_leave(self.queue, job)
                return job
        raise StateConflictError("the job keeps changing: try again")

    def _apply_retry(self, job: JobRecord) -> tuple[bool, JobRecord]:
        """Apply `RETRY`. If the job has a subject, update the subject's pointer in the same transaction.

        Return whether it was applied, and the stored job.
        """
        changes, policy = self._retry_changes(job), self.analyses[job.analysis].admission
        if job.subject is None:
            return self._apply(job.key, RETRY, changes, job)
        counted = self._count(job, policy, policy.at_most) if policy and policy.at_most else None
        outcome = self.store.retry(
            job,
            Changes(changes),
            now=self.clock.now(),
            pointer_until=pointer_until(changes["deadline"], self.settings.job_retention),
            newest_only=policy is not None and policy.one_active,
            counted=counted,
        )
        if isinstance(outcome, WriteConflict):
            return False, self._load_job(job.key)
        if isinstance(outcome, Superseded):
            raise _superseded(job, outcome.newest_job_id)
        return self._record_outcome(job.key, RETRY, outcome)

    def _count(self, job: JobRecord, policy: Admission, rate: Rate) -> RetryCount:
        """Count a retry under the rate of its analysis. Raises `RateLimitedError` if the rate is reached.

        Raises `StateConflictError` first if the subject's newest job prevents the retry.
        """
        subject, now = str(job.subject), self.clock.now()
        counted_under = subject
        if rate.of:
            try:
                stored = to_json(load_json(self.artifacts, job.input))
                counted_under = fill_from_request(rate.of, restore(self.analyses[job.analysis].request, stored))
            except (AttributeError, ValidationError, InvalidRequestError) as error:
                message = f"this job's input does not fill {rate.of!r}, by which jobs are counted now: submit a new job"
                raise StateConflictError(message) from error
        admission_key = AdmissionKey(job.tenant, job.analysis, subject, counted_under)
        state, _ = self.store.read_admission_state(admission_key, None, now)
        if policy.one_active and state.subject and state.subject.job_id != job.job_id:
            raise _superseded(job, state.subject.job_id)
        decision = decide_retry(rate, state.rate, now)
        if decision.retry_at is not None:
            count("SubmissionsLimited")
            log(
                "retry.limited", decision.reason["message"], job_id=job.job_id, tenant=job.tenant, analysis=job.analysis
            )
            raise rate_limited(decision, now)
        return count_retry(rate, admission_key, state.rate, now)

    def _load_job(self, key: JobKey) -> JobRecord:
        job = self.store.get(key)
        if job is None:
            raise UnknownResourceError(f"there is no job {key.job_id}")
        return job

    def _apply(
        self, key: JobKey, transition: Transition, changes: dict[str, Any], job: JobRecord
    ) -> tuple[bool, JobRecord]:
        """Apply a transition. Return whether it was applied, and the stored job."""
        outcome = self.store.transition(key, transition, Changes(changes), now=self.clock.now(), read=job)
        return self._record_outcome(key, transition, outcome)

    def _record_outcome(
        self, key: JobKey, transition: Transition, outcome: Applied | ConditionFailed
    ) -> tuple[bool, JobRecord]:
        """Log and count an applied transition. Return whether it was applied, and the stored job."""
        if outcome.job is None:
            raise UnknownResourceError(f"there is no job {key.job_id}")
        if not isinstance(outcome, Applied):
            return False, outcome.job
        log(f"job.{transition.name}", f"the job is {outcome.job.status}", job_id=key.job_id, tenant=key.tenant)
        if transition is CANCEL:
            count("JobsCancelled")
        return True, outcome.job

    def _cancel_changes(self, tenant: str) -> dict[str, Any]:
        now = self.clock.now()
        return {**ending(now, self.settings.retention_of(tenant)), "cancel_asked_at": now}

    def _retry_changes(self, job: JobRecord) -> dict[str, Any]:
        analysis = self.analyses.get(job.analysis)
        if analysis is None:
            raise StateConflictError(
                f"the analysis {job.analysis!r} is not deployed any more: deploy it to run its jobs"
            )
        now = self.clock.now()
        return {
            "attempt": 0,
            "max_attempts": analysis.max_attempts,
            "deadline": now + analysis.deadline,
            "due_at": now + min(send_grace(1), analysis.deadline),
            "progress": 0,
            "sends": 1,
            "timeouts": {},
            "lane_sort_key": job.sort_key_in_lane,
            **dict.fromkeys(
                ("cancel_asked_at", "expires_at", "failure", "finished_at", "lease_until", "not_before"), None
            ),
        }


def _superseded(job: JobRecord, newest_job_id: str) -> StateConflictError:
    return StateConflictError(f"{job.subject} has a newer job, {newest_job_id}: retry that job, or submit a new one")
