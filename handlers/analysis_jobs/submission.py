"""Taking a job in: validate, write the row, send the pointer."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis_jobs.analysis import Analyses
from analysis_jobs.clock import Clock
from analysis_jobs.ids import new_id
from analysis_jobs.observability import count, log
from analysis_jobs.payloads import MAX_PAYLOAD_BYTES, store_json
from analysis_jobs.problems import FieldError, Problem, field_errors
from analysis_jobs.record import IdempotencyKey, JobKey, JobRecord, Payload
from analysis_jobs.settings import Settings
from analysis_jobs.stores.ports import ArtifactStore, Existing, JobQueue, JobStore, TooLarge
from analysis_jobs.sweep import SEND_GRACE
from analysis_jobs.transitions import Status

_IDEMPOTENCY_KEY_LIFE = timedelta(hours=24)
_LONGEST_IDEMPOTENCY_KEY = 255
# The subject is part of a sort key: 1,024 bytes, up to four a character, with an analysis' name of up to 63.
_LONGEST_SUBJECT = 230


class Submission(BaseModel):
    """The body of `POST /jobs`. The tenant is not in it: it comes from the caller's token."""

    model_config = ConfigDict(extra="forbid")

    analysis: str
    input: dict[str, Any]
    subject: str | None = Field(default=None, min_length=1, max_length=_LONGEST_SUBJECT)
    priority: str | None = None
    client: str | None = Field(default=None, min_length=1, max_length=128)
    project: str | None = Field(default=None, min_length=1, max_length=128)


@dataclass(frozen=True)
class Intake:
    """Accepts jobs."""

    store: JobStore
    queue: JobQueue
    artifacts: ArtifactStore
    analyses: Analyses
    settings: Settings
    clock: Clock

    def submit(self, tenant: str, submission: Submission, idempotency_key: str | None = None) -> JobRecord:
        """Return the accepted job, or the one that this idempotency key made before.

        Raises `Problem`: 422 with the fields that are wrong, 422 where the key was used for another body.
        """
        job = self._new_job(tenant, submission)
        idempotency = self._idempotency(tenant, submission, idempotency_key)
        outcome = self.store.create(job, idempotency)
        if isinstance(outcome, Existing):
            return self._same_again(tenant, outcome, idempotency)
        count("JobsSubmitted")
        log("job.submitted", "accepted", job_id=job.job_id, tenant=tenant, analysis=job.analysis)
        self._send(job)
        return job

    def _new_job(self, tenant: str, submission: Submission) -> JobRecord:
        analysis = self.analyses.get(submission.analysis)
        if analysis is None:
            known = ", ".join(sorted(self.analyses))
            raise Problem.of_field("analysis", f"there is no analysis {submission.analysis!r}; give one of: {known}")
        try:
            given = analysis.request.model_validate(submission.input).model_dump(mode="json")
        except ValidationError as error:
            raise Problem.invalid(field_errors(error, prefix="input")) from error
        now = self.clock.now()
        job = JobRecord(
            tenant=tenant,
            job_id=new_id(now),
            analysis=analysis.name,
            status=Status.QUEUED,
            input=Payload(),
            lane=self._lane(submission.priority),
            created_at=now,
            deadline=now + analysis.deadline,
            max_attempts=analysis.max_attempts,
            due_at=min(now + SEND_GRACE, now + analysis.deadline),
            subject=submission.subject,
            client=submission.client,
            project=submission.project,
            stage=analysis.stages[0].__name__,
        )
        return replace(job, input=self._keep(job, given))

    def _keep(self, job: JobRecord, given: Any) -> Payload:
        try:
            return store_json(self.artifacts, job, "input", given, self.settings.inline_bytes)
        except TooLarge as error:
            raise Problem.of_field("input", f"{error.size} bytes; at most {MAX_PAYLOAD_BYTES} are kept") from error
        except ValueError as error:
            raise Problem.of_field("input", f"this is no JSON: {error}") from error

    def _lane(self, priority: str | None) -> str:
        lanes = self.settings.queue_urls
        if priority is None:
            return "medium" if "medium" in lanes else next(iter(lanes))
        if priority not in lanes:
            raise Problem.of_field(
                "priority",
                f"there is no lane {priority!r}; give one of: {', '.join(sorted(lanes))}",
            )
        return priority

    def _idempotency(self, tenant: str, submission: Submission, key: str | None) -> IdempotencyKey | None:
        if key is None:
            return None
        if not 1 <= len(key) <= _LONGEST_IDEMPOTENCY_KEY:
            raise Problem.of_field("Idempotency-Key", f"give 1 to {_LONGEST_IDEMPOTENCY_KEY} characters")
        body = json.dumps(submission.model_dump(mode="json"), sort_keys=True)
        return IdempotencyKey(_digest(f"{tenant}\n{key}"), _digest(body), self.clock.now() + _IDEMPOTENCY_KEY_LIFE)

    def _same_again(self, tenant: str, existing: Existing, idempotency: IdempotencyKey | None) -> JobRecord:
        if idempotency is None or existing.body_digest != idempotency.body_digest:
            raise Problem(
                422,
                "Idempotency key reused",
                "this Idempotency-Key was used for another request: send a new key with a new request",
                (FieldError("Idempotency-Key", "was used for another request"),),
            )
        job = self.store.get(JobKey(tenant, existing.job_id))
        if job is None:
            raise Problem(410, "Gone", "the job that this Idempotency-Key made is no longer kept")
        return job

    def _send(self, job: JobRecord) -> None:
        try:
            self.queue.send(job.lane, JobKey(job.tenant, job.job_id), dedupe=job.job_id)
        except Exception as error:  # noqa: BLE001 - the job is accepted: the row is due, and the sweeper sends
            log(
                "job.not_sent",
                "the sweeper will send the message",
                error=error,
                job_id=job.job_id,
                tenant=job.tenant,
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
