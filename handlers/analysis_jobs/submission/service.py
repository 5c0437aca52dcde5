"""Accepts a submission: validates it, writes the job's row and sends its message."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json

from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.authoring.undeclared import first_stage
from analysis_jobs.base import tracing
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.field_errors import field_errors
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.model_checks import outer_name
from analysis_jobs.base.model_json import NotKeptError, accept, keep_input, parts_of
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import Admission, AdmissionKey, Outcome, Trigger
from analysis_jobs.jobs.canaries import CANARY_LANE, CanaryRun, uncounted
from analysis_jobs.jobs.dispatch import send_grace, send_or_leave
from analysis_jobs.jobs.key_limits import check_rate, check_subject
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, store_json
from analysis_jobs.jobs.ports import ArtifactStore, JobQueue, JobStore, StoredOutcome, TooLarge
from analysis_jobs.jobs.record import IdempotencyKey, JobKey, JobRecord, Payload, pointer_until
from analysis_jobs.jobs.request_errors import (
    IdempotencyKeyReusedError,
    InvalidRequestError,
    JobExpiredError,
    NotAdmittedError,
)
from analysis_jobs.jobs.row_size import bytes_left
from analysis_jobs.jobs.subjects import MAX_SUBJECT_LENGTH, normal_subject, template_fields
from analysis_jobs.jobs.tiers import TierRequest, Tiers
from analysis_jobs.jobs.traces import job_attributes, sending
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.submission.admission_service import AdmissionRequest, AdmissionService, SubmissionResult
from analysis_jobs.submission.pins import names_documents, pin_documents
from analysis_jobs.submission.request_fields import fill_from_request

_IDEMPOTENCY_KEY_LIFE = timedelta(hours=24)
_MAX_IDEMPOTENCY_KEY_LENGTH = 255


class Submission(BaseModel):
    """The body of `POST /jobs`. The tenant is not part of it, because it comes from the caller's token."""

    model_config = ConfigDict(extra="forbid")

    analysis: str
    input: dict[str, Any]
    subject: str | None = Field(default=None, min_length=1, max_length=MAX_SUBJECT_LENGTH)
    priority: str | None = None
    trigger: str | None = None
    client: str | None = Field(default=None, min_length=1, max_length=128)
    project: str | None = Field(default=None, min_length=1, max_length=128)

    @field_validator("subject", mode="before")
    @classmethod
    def _normalise_subject(cls, given: object) -> object:
        return normal_subject(given) if isinstance(given, str) else given


@dataclass(frozen=True)
class _CheckedSubmission:
    """A submission with its analysis. `request` is the validated input, and `given` is the JSON to store."""

    submission: Submission
    analysis: Analysis[Any, Any]
    trigger: Trigger | None
    request: BaseModel
    given: Any
    canary: CanaryRun | None


@dataclass(frozen=True)
class SubmissionService:
    """Accepts jobs. Raises `ConfigurationError` if a trigger of an analysis has an unknown priority."""

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
                known = ", ".join(sorted(self.settings.queue_urls))
                raise ConfigurationError(
                    f"analysis {analysis.name}: a trigger has the unknown priority {unknown[0]!r}; give one of: {known}"
                )

    def submit(self, tenant: str, submission: Submission, idempotency_key: str | None = None) -> JobRecord:
        """Return the new job, or the existing job to use instead. `submit_with_outcome` distinguishes them.

        Raises as `submit_with_outcome` does, and `NotAdmittedError` if the policy skips the submission and the subject
        has no completed job.
        """
        result = self.submit_with_outcome(tenant, submission, idempotency_key)
        if result.job is None:
            raise NotAdmittedError(str(result.reason.get("message", "the submission was skipped")))
        return result.job

    def submit_with_outcome(
        self,
        tenant: str,
        submission: Submission,
        idempotency_key: str | None = None,
        canary: CanaryRun | None = None,
    ) -> SubmissionResult:
        """Apply the policy of the analysis, and return the outcome with its job.

        A canary is always admitted, and is in the lane of canaries.

        If the idempotency key was used before, return the earlier outcome with the current job. Raises
        `InvalidRequestError`, which names the invalid fields, `IdempotencyKeyReusedError`, `JobExpiredError`,
        `RateLimitedError` and `TooBusyError`.
        """
        checked = self._checked(submission, canary)
        job = self._new_job(tenant, checked)
        idempotency = self._idempotency(tenant, submission, idempotency_key)
        with sending(job, self.settings) as span:
            result = self._accept(replace(job, trace=tracing.context()), checked, idempotency)
            span.set({"analysis_jobs.outcome": str(result.outcome)})
            if result.job:
                span.set(job_attributes(result.job))
        return result

    def _checked(self, submission: Submission, canary: CanaryRun | None) -> _CheckedSubmission:
        analysis = self._analysis(submission)
        trigger = None if canary and submission.trigger is None else _trigger(analysis, submission)
        request, given = _input(analysis, submission)
        return _CheckedSubmission(submission, analysis, trigger, request, given, canary)

    def _accept(
        self, job: JobRecord, checked: _CheckedSubmission, idempotency: IdempotencyKey | None
    ) -> SubmissionResult:
        """Write the row of the job and send its message, unless the policy or an earlier submission says otherwise."""
        policy = checked.analysis.admission
        # A document's name may stand within a text that the request parses, for example a `Json` field.
        parts = [checked.given, *parts_of(checked.request)]

        def with_input(job: JobRecord) -> JobRecord:
            pinned = replace(job, documents=pin_documents(self.artifacts, job, parts))
            return replace(pinned, input=self._store_input(pinned, checked.given))

        outcome: SubmissionResult | StoredOutcome
        if policy is None or checked.canary:
            outcome = self._used_before(job, idempotency, parts) or self._create(with_input(job), idempotency)
        else:
            admission_key = _admission_key(job, policy, checked.request)
            candidate = AdmissionRequest(admission_key, job, checked.request, checked.trigger, idempotency, with_input)
            outcome = AdmissionService(self.store, self.settings, self.clock).admit(policy, candidate)
        if isinstance(outcome, StoredOutcome):
            return self._repeated(job.tenant, outcome, idempotency)
        with uncounted(job.tenant):
            self._log_and_send(outcome, job)
        return outcome

    def _as_canary(self, job: JobRecord, canary: CanaryRun) -> JobRecord:
        """Return the job in the lane of canaries. Raises `InvalidRequestError` if the stack has none."""
        if not self.settings.canary_queue_url:
            raise InvalidRequestError.of_field("canary", "this stack has no lane for canaries: set canary.enabled")
        return replace(job, priority=CANARY_LANE, prompt_versions=dict(canary.prompts) or None)

    def _used_before(
        self, job: JobRecord, idempotency: IdempotencyKey | None, parts: list[Any]
    ) -> StoredOutcome | None:
        """Return the outcome of an earlier submission with the same key. At most one request.

        `create` finds the outcome too, but only after the input is stored and its documents are looked up in the
        bucket. An input that needs neither is not looked up here. `parts[0]` is the input as it is stored.
        """
        if idempotency is None:
            return None
        needs_bucket = len(json.dumps(parts[0])) > self._inline_bytes(job) or names_documents(parts)
        return self.store.stored_outcome(job.tenant, idempotency, job.created_at) if needs_bucket else None

    def _create(self, job: JobRecord, idempotency: IdempotencyKey | None) -> SubmissionResult | StoredOutcome:
        until = pointer_until(job.deadline, self.settings.job_retention)
        outcome = self.store.create(job, idempotency, until)
        return outcome if isinstance(outcome, StoredOutcome) else SubmissionResult(Outcome.CREATED, job)

    def _log_and_send(self, result: SubmissionResult, submitted: JobRecord) -> None:
        """Log and count the outcome. Send the message of a new job."""
        names: dict[str, Any] = {"tenant": submitted.tenant, "analysis": submitted.analysis}
        if result.outcome is not Outcome.CREATED or result.job is None:
            count(f"Submissions{result.outcome.title()}")
            job_id = result.job.job_id if result.job else None
            log(f"submission.{result.outcome}", result.reason["message"], job_id=job_id, **names)
            return
        count("JobsSubmitted")
        log("job.submitted", "accepted", job_id=result.job.job_id, **names)
        send_or_leave(self.queue, result.job)

    def _analysis(self, submission: Submission) -> Analysis[Any, Any]:
        analysis = self.analyses.get(submission.analysis)
        if analysis is None:
            known = ", ".join(sorted(self.analyses))
            raise InvalidRequestError.of_field(
                "analysis", f"there is no analysis {submission.analysis!r}; give one of: {known}"
            )
        return analysis

    def _new_job(self, tenant: str, checked: _CheckedSubmission) -> JobRecord:
        """Return the job of a submission. Its input is not stored yet."""
        submission, analysis, trigger = checked.submission, checked.analysis, checked.trigger
        now = self.clock.now()
        job = JobRecord(
            tenant=tenant,
            job_id=new_id(now),
            analysis=analysis.name,
            status=Status.QUEUED,
            input=Payload(),
            priority=self._priority(trigger.priority if trigger and trigger.priority else submission.priority),
            created_at=now,
            deadline=now + analysis.deadline,
            max_attempts=analysis.max_attempts,
            due_at=now + min(send_grace(1), analysis.deadline),
            client=submission.client,
            project=submission.project,
            stage=first_stage(analysis),
        )
        job = self._as_canary(job, checked.canary) if checked.canary else job
        job = replace(job, subject=_subject(analysis, submission, checked.request, required=checked.canary is None))
        check_subject(job.analysis, job.subject or "")
        return _with_tier(job, analysis.tiers, checked.request) if analysis.tiers else job

    def _inline_bytes(self, job: JobRecord) -> int:
        """Return the size up to which an input stays in the row."""
        return min(self.settings.inline_bytes, bytes_left(job))

    def _store_input(self, job: JobRecord, given: Any) -> Payload:
        try:
            return store_json(self.artifacts, job, "input", given, self._inline_bytes(job))
        except TooLarge as error:
            raise InvalidRequestError.of_field(
                "input", f"the input has {error.size} bytes; give at most {MAX_PAYLOAD_BYTES} bytes"
            ) from error
        except ValueError as error:
            raise InvalidRequestError.of_field("input", f"this is not JSON: {error}") from error

    def _priority(self, priority: str | None) -> str:
        """Return the given priority, or the default one. Each priority has one queue."""
        priorities = self.settings.queue_urls
        if priority is None:
            return "medium" if "medium" in priorities else next(iter(priorities))
        if priority not in priorities:
            known = ", ".join(sorted(priorities))
            raise InvalidRequestError.of_field("priority", f"there is no priority {priority!r}; give one of: {known}")
        return priority

    def _idempotency(self, tenant: str, submission: Submission, key: str | None) -> IdempotencyKey | None:
        if key is None:
            return None
        if not 1 <= len(key) <= _MAX_IDEMPOTENCY_KEY_LENGTH:
            raise InvalidRequestError.of_field("Idempotency-Key", f"give 1 to {_MAX_IDEMPOTENCY_KEY_LENGTH} characters")
        body = json.dumps(_digested_body(submission), sort_keys=True)
        return IdempotencyKey(_digest(f"{tenant}\n{key}"), _digest(body), self.clock.now() + _IDEMPOTENCY_KEY_LIFE)

    def _repeated(self, tenant: str, stored: StoredOutcome, idempotency: IdempotencyKey | None) -> SubmissionResult:
        """Return the stored outcome of an earlier submission with the same idempotency key."""
        if idempotency is None or stored.body_digest != idempotency.body_digest:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key was used for a different request: send a new key with each new request"
            )
        job = self.store.get(JobKey(tenant, stored.job_id)) if stored.job_id else None
        if job is None and stored.job_id:
            raise JobExpiredError(
                "the job that this Idempotency-Key created has expired: send a new key to submit again"
            )
        return SubmissionResult(stored.outcome, job, json.loads(stored.reason))


def _trigger(analysis: Analysis[Any, Any], submission: Submission) -> Trigger | None:
    if not analysis.triggers and submission.trigger is None:
        return None
    trigger = analysis.triggers.get(submission.trigger or "")
    if trigger is None:
        known = ", ".join(sorted(analysis.triggers))
        hint = f"give one of: {known}" if known else "this analysis has no triggers: leave the field out"
        raise InvalidRequestError.of_field("trigger", f"there is no trigger {submission.trigger!r}; {hint}")
    if trigger.priority and submission.priority is not None:
        message = f"the trigger {submission.trigger!r} sets the priority: leave this field out"
        raise InvalidRequestError.of_field("priority", message)
    return trigger


def _input(analysis: Analysis[Any, Any], submission: Submission) -> tuple[BaseModel, Any]:
    """Return the validated input as an instance of the analysis' request model, and as the JSON to store.

    The stored JSON restores the same instance.
    """
    try:
        request = accept(analysis.request, submission.input)
        return request, from_json(keep_input(analysis.request, request, submission.input))
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error, prefix="input")) from error
    except NotKeptError as error:
        field = ".".join(filter(None, ("input", error.field)))
        raise InvalidRequestError.of_field(field, f"this value cannot be kept for the job: {error.reason}") from error
    except ValueError as error:
        raise InvalidRequestError.of_field("input", f"this is not JSON: {error}") from error


def _subject(analysis: Analysis[Any, Any], submission: Submission, request: BaseModel, *, required: bool) -> str | None:
    if analysis.subject is None or not analysis.subject_from_input:
        if required and analysis.admission and submission.subject is None:
            raise InvalidRequestError.of_field(
                "subject", "the admission policy of this analysis needs a subject: give one"
            )
        return submission.subject
    subject = fill_from_request(analysis.subject, request)
    if submission.subject not in (None, subject):
        raise InvalidRequestError.of_field("subject", f"the input gives the subject {subject!r}: leave this field out")
    if len(subject) > MAX_SUBJECT_LENGTH:
        raise InvalidRequestError.of_field(
            "subject",
            f"the input gives a subject of {len(subject)} characters; at most {MAX_SUBJECT_LENGTH} are allowed",
        )
    return subject


def _admission_key(job: JobRecord, policy: Admission, request: BaseModel) -> AdmissionKey:
    subject = job.subject or ""
    if policy.at_most is None:
        return AdmissionKey(job.tenant, job.analysis, subject)
    if policy.at_most.of is None:
        return AdmissionKey(job.tenant, job.analysis, subject, subject)
    rate = fill_from_request(policy.at_most.of, request)
    check_rate(job.analysis, rate, [f"input.{name}" for name in sorted(template_fields(policy.at_most.of))])
    return AdmissionKey(job.tenant, job.analysis, subject, rate)


def _digested_body(submission: Submission) -> dict[str, Any]:
    """Return the fields that the digest of the body covers.

    Without a trigger the field is left out, so that digests of versions without triggers remain valid.
    """
    return submission.model_dump(mode="json", exclude=None if submission.trigger else {"trigger"})


def _with_tier(job: JobRecord, tiers: Tiers, request: BaseModel) -> JobRecord:
    tier = tiers.find(TierRequest(job.tenant, job.subject, job.client, job.project, request))
    if tier is None and isinstance(tiers.of, str):
        raise InvalidRequestError.of_field(
            f"input.{outer_name(type(request), tiers.of)}", f"this is not a tier; give one of: {', '.join(tiers.order)}"
        )
    if tier is None:
        tier = tiers.order[-1]  # an error of the tier function, not of the caller
        message = f"the tier function returned a value that is not in `order`; using {tier!r}"
        log("tiers.unknown", message, analysis=job.analysis, tenant=job.tenant)
    ranked = replace(job, tier=tier, tier_rank=tiers.tier_rank(tier))
    return replace(ranked, lane_sort_key=ranked.sort_key_in_lane)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
