"""Taking a job in: validate, write the row, send the pointer."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.admission import Admission, AdmissionKey, Outcome, Trigger
from analysis_jobs.jobs.dispatch import send_grace, send_or_leave
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, store_json
from analysis_jobs.jobs.ports import ArtifactStore, Existing, JobQueue, JobStore, TooLarge
from analysis_jobs.jobs.record import IdempotencyKey, JobKey, JobRecord, Payload, pointer_until
from analysis_jobs.jobs.request_errors import (
    IdempotencyKeyReusedError,
    InvalidRequestError,
    JobExpiredError,
    NotAdmittedError,
    field_errors,
)
from analysis_jobs.jobs.subjects import filled
from analysis_jobs.jobs.tiers import TierRequest, Tiers
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.submission.admission_service import AdmissionService, Answer, Entry

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
    trigger: str | None = None
    client: str | None = Field(default=None, min_length=1, max_length=128)
    project: str | None = Field(default=None, min_length=1, max_length=128)


@dataclass(frozen=True)
class SubmissionService:
    """Accepts jobs."""

    store: JobStore
    queue: JobQueue
    artifacts: ArtifactStore
    analyses: Analyses
    settings: Settings
    clock: Clock

    def __post_init__(self) -> None:
        for analysis in self.analyses.values():
            wanted = {trigger.priority for trigger in analysis.triggers.values() if trigger.priority}
            if unknown := sorted(wanted - self.settings.queue_urls.keys()):
                lanes = ", ".join(sorted(self.settings.queue_urls))
                raise ConfigurationError(
                    f"analysis {analysis.name}: a trigger's priority is {unknown[0]!r}, but the lanes are: {lanes}"
                )

    def submit(self, tenant: str, submission: Submission, idempotency_key: str | None = None) -> JobRecord:
        """Return the accepted job, or the one that stands instead of it; `answer` tells them apart.

        Raises what `answer` raises, and `NotAdmittedError` if the policy skips it and the subject has no job.
        """
        answer = self.answer(tenant, submission, idempotency_key)
        if answer.job is None:
            raise NotAdmittedError(str(answer.reason.get("message", "the submission was skipped")))
        return answer.job

    def answer(self, tenant: str, submission: Submission, idempotency_key: str | None = None) -> Answer:
        """Return what becomes of a submission under the policy of its analysis, or became of it with this key before.

        Raises `InvalidRequestError` with the fields that are wrong, `IdempotencyKeyReusedError`, `JobExpiredError`,
        `RateLimitedError` and `TooBusyError`.
        """
        analysis = self._analysis(submission)
        trigger = _trigger(analysis, submission)
        request, given = _input(analysis, submission)
        job = self._new_job(tenant, submission, analysis, trigger)
        job = replace(job, subject=_subject(analysis, submission, given))
        job = _in_its_tier(job, analysis.tiers, request) if analysis.tiers else job
        idempotency = self._idempotency(tenant, submission, idempotency_key)
        outcome: Answer | Existing
        if analysis.admission is None:
            outcome = self._create(replace(job, input=self._keep(job, given)), idempotency)
        else:
            admission_key = _gate(job, analysis.admission, given)
            entry = Entry(
                admission_key,
                job,
                request,
                trigger,
                idempotency,
                lambda job: replace(job, input=self._keep(job, given)),
            )
            outcome = AdmissionService(self.store, self.settings, self.clock).admit(analysis.admission, entry)
        if isinstance(outcome, Existing):
            return self._same_again(tenant, outcome, idempotency)
        self._tell(outcome, job)
        return outcome

    def _create(self, job: JobRecord, idempotency: IdempotencyKey | None) -> Answer | Existing:
        until = pointer_until(job.deadline, self.settings.job_retention)
        outcome = self.store.create(job, idempotency, until)
        return outcome if isinstance(outcome, Existing) else Answer(Outcome.CREATED, job)

    def _tell(self, answer: Answer, asked: JobRecord) -> None:
        names: dict[str, Any] = {"tenant": asked.tenant, "analysis": asked.analysis}
        if answer.outcome is not Outcome.CREATED or answer.job is None:
            count(f"Submissions{answer.outcome.title()}")
            job_id = answer.job.job_id if answer.job else None
            log(f"submission.{answer.outcome}", answer.reason["message"], job_id=job_id, **names)
            return
        count("JobsSubmitted")
        log("job.submitted", "accepted", job_id=answer.job.job_id, **names)
        send_or_leave(self.queue, answer.job)

    def _analysis(self, submission: Submission) -> Analysis[Any, Any]:
        analysis = self.analyses.get(submission.analysis)
        if analysis is None:
            known = ", ".join(sorted(self.analyses))
            raise InvalidRequestError.of_field(
                "analysis", f"there is no analysis {submission.analysis!r}; give one of: {known}"
            )
        return analysis

    def _new_job(
        self, tenant: str, submission: Submission, analysis: Analysis[Any, Any], trigger: Trigger | None
    ) -> JobRecord:
        now = self.clock.now()
        return JobRecord(
            tenant=tenant,
            job_id=new_id(now),
            analysis=analysis.name,
            status=Status.QUEUED,
            input=Payload(),
            priority=self._lane(trigger.priority if trigger and trigger.priority else submission.priority),
            created_at=now,
            deadline=now + analysis.deadline,
            max_attempts=analysis.max_attempts,
            due_at=now + min(send_grace(1), analysis.deadline),
            client=submission.client,
            project=submission.project,
            stage=analysis.stages[0].__name__,
        )

    def _keep(self, job: JobRecord, given: Any) -> Payload:
        try:
            return store_json(self.artifacts, job, "input", given, self.settings.inline_bytes)
        except TooLarge as error:
            raise InvalidRequestError.of_field(
                "input", f"{error.size} bytes; at most {MAX_PAYLOAD_BYTES} are kept"
            ) from error
        except ValueError as error:
            raise InvalidRequestError.of_field("input", f"this is no JSON: {error}") from error

    def _lane(self, priority: str | None) -> str:
        lanes = self.settings.queue_urls
        if priority is None:
            return "medium" if "medium" in lanes else next(iter(lanes))
        if priority not in lanes:
            raise InvalidRequestError.of_field(
                "priority",
                f"there is no lane {priority!r}; give one of: {', '.join(sorted(lanes))}",
            )
        return priority

    def _idempotency(self, tenant: str, submission: Submission, key: str | None) -> IdempotencyKey | None:
        if key is None:
            return None
        if not 1 <= len(key) <= _LONGEST_IDEMPOTENCY_KEY:
            raise InvalidRequestError.of_field("Idempotency-Key", f"give 1 to {_LONGEST_IDEMPOTENCY_KEY} characters")
        body = json.dumps(_as_given(submission), sort_keys=True)
        return IdempotencyKey(_digest(f"{tenant}\n{key}"), _digest(body), self.clock.now() + _IDEMPOTENCY_KEY_LIFE)

    def _same_again(self, tenant: str, existing: Existing, idempotency: IdempotencyKey | None) -> Answer:
        if idempotency is None or existing.body_digest != idempotency.body_digest:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key was used for another request: send a new key with a new request"
            )
        job = self.store.get(JobKey(tenant, existing.job_id)) if existing.job_id else None
        if job is None and existing.job_id:
            raise JobExpiredError("the job that this Idempotency-Key made is no longer kept")
        return Answer(existing.outcome, job, json.loads(existing.reason))


def _trigger(analysis: Analysis[Any, Any], submission: Submission) -> Trigger | None:
    if not analysis.triggers and submission.trigger is None:
        return None
    trigger = analysis.triggers.get(submission.trigger or "")
    if trigger is None:
        known = ", ".join(sorted(analysis.triggers))
        hint = f"give one of: {known}" if known else "this analysis has none: leave it out"
        raise InvalidRequestError.of_field("trigger", f"there is no trigger {submission.trigger!r}; {hint}")
    if trigger.priority and submission.priority is not None:
        message = f"the trigger {submission.trigger!r} sets it: leave it out"
        raise InvalidRequestError.of_field("priority", message)
    return trigger


def _input(analysis: Analysis[Any, Any], submission: Submission) -> tuple[Any, dict[str, Any]]:
    """Return the validated input, as the analysis' model and as JSON."""
    try:
        request = analysis.request.model_validate(submission.input)
        return request, request.model_dump(mode="json")
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error, prefix="input")) from error


def _subject(analysis: Analysis[Any, Any], submission: Submission, given: dict[str, Any]) -> str | None:
    if analysis.subject is None or not analysis.subject_of_input:
        if analysis.admission and submission.subject is None:
            raise InvalidRequestError.of_field(
                "subject", "this analysis looks at what is known of its subject: give one"
            )
        return submission.subject
    subject = filled(analysis.subject, given)
    if submission.subject not in (None, subject):
        raise InvalidRequestError.of_field("subject", f"it is made of the input, and is {subject!r}: leave it out")
    if len(subject) > _LONGEST_SUBJECT:
        raise InvalidRequestError.of_field(
            "subject", f"it is made of the input, and longer than {_LONGEST_SUBJECT} characters"
        )
    return subject


def _gate(job: JobRecord, policy: Admission, given: dict[str, Any]) -> AdmissionKey:
    subject = job.subject or ""
    if policy.at_most is None:
        return AdmissionKey(job.tenant, job.analysis, subject)
    return AdmissionKey(
        job.tenant, job.analysis, subject, filled(policy.at_most.of, given) if policy.at_most.of else subject
    )


def _as_given(submission: Submission) -> dict[str, Any]:
    """Return what tells one body from another: as it was before there were triggers, where none is given."""
    return submission.model_dump(mode="json", exclude=None if submission.trigger else {"trigger"})


def _in_its_tier(job: JobRecord, tiers: Tiers, request: BaseModel) -> JobRecord:
    tier = tiers.find(TierRequest(job.tenant, job.subject, job.client, job.project, request))
    if tier is None and isinstance(tiers.of, str):
        raise InvalidRequestError.of_field(
            f"input.{tiers.of}", f"there is no such tier; give one of: {', '.join(tiers.order)}"
        )
    if tier is None:
        tier = tiers.order[-1]  # not the caller's fault: a tier that the function knows and `order` does not
        log("tiers.unknown", f"no tier of the order: it counts as {tier!r}", analysis=job.analysis, tenant=job.tenant)
    placed = replace(job, tier=tier, tier_rank=tiers.tier_rank(tier))
    return replace(placed, lane_sort_key=placed.sort_key_in_lane)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
