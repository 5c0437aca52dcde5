"""What `Backend` does: the services of the HTTP API, called in process.

Results and errors have the form of the HTTP API, so `Client` and `Backend` cannot differ in them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeVar

import boto3
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as AwsError
from pydantic import BaseModel, ValidationError

from analysis_jobs import wiring
from analysis_jobs.api.problems import problem_from
from analysis_jobs.api.requests import ListQuery
from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.authoring.files import MAX_FILE_BYTES, file_key
from analysis_jobs.authoring.undeclared import UndeclaredAnalysis
from analysis_jobs.base import audit
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.field_errors import field_errors
from analysis_jobs.base.ids import is_id
from analysis_jobs.base.observability import counting_for
from analysis_jobs.base.program_traces import of_the_program
from analysis_jobs.base.settings import Settings, from_environment
from analysis_jobs.client.errors import (
    Forbidden,
    NotAdmitted,
    NotFound,
    Unauthorized,
    Unavailable,
    Unreachable,
    rejection,
    retry_after_of,
)
from analysis_jobs.client.interface import SubmitOptions
from analysis_jobs.client.jobs import JobInfo, Submitted, UploadForm, submitted_from_json
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.ports import NotFound as MissingArtifact
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.request_errors import (
    InvalidRequestError,
    RequestError,
    UnknownResourceError,
)
from analysis_jobs.jobs.views import detail, summary
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.submission.uploads import Upload

PREFIX = "ANALYSIS_JOBS_"
"""The variables of `backend_environment` begin with this, so that they do not collide with those of the backend."""

Checked = TypeVar("Checked", bound=BaseModel)

_REQUIRED = ("TABLE_NAME", "BUCKET_NAME", "QUEUE_URLS")
_UPLOAD_LIFE = timedelta(hours=1)
_DOWNLOAD_LIFE = timedelta(minutes=5)
_DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedOperation"}
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_UNAVAILABLE = 503


@dataclass(frozen=True)
class InProcess:
    """The services of a backend, for all tenants.

    `service` is what its metrics count for, None for no metrics. `actor` is the name of the backend's user in the
    audit trail. `audit_sink` is where the trail goes, None for the log of the process.
    """

    submissions: SubmissionService
    control: JobControl
    service: str | None
    actor: str | None = None
    audit_sink: audit.Sink | None = None

    @classmethod
    def build(
        cls,
        environment: Mapping[str, str],
        analyses: tuple[Analysis[Any, Any] | UndeclaredAnalysis | str, ...] | None,
        session: Any,
        clock: Clock,
        *,
        metrics: bool,
    ) -> Self:
        """Return the services. Raises `ConfigurationError` for missing settings and wrong analyses."""
        declared = None if analyses is None else Analyses([_declaration(each) for each in analyses])
        settings = _settings(environment, declared)
        session = session or boto3.Session()
        submissions = wiring.submissions(settings, declared, session, clock)
        control = JobControl(
            submissions.store, submissions.queue, submissions.artifacts, submissions.analyses, settings, clock
        )
        service = environment.get(f"{PREFIX}SERVICE_NAME") if metrics else None
        sink = wiring.audit_sink(settings.audit_log_group, "backend", session, clock)
        return cls(submissions, control, service, audit_sink=sink)

    def submit(self, tenant: str, analysis: str, job_input: dict[str, Any], options: SubmitOptions) -> Submitted:
        """See `Jobs.submit`."""
        body = {name: value for name, value in options.items() if name != "idempotency_key"}
        with self._answering("submit", "submit"), self._audited("job.submitted", tenant) as line:
            submission = _checked(Submission, {"analysis": analysis, "input": job_input, **body})
            result = self.submissions.submit_with_outcome(tenant, submission, options.get("idempotency_key"))
            line |= {"job_id": result.job.job_id if result.job else None, "outcome": str(result.outcome)}
            line["analysis"] = submission.analysis
        job = result.job
        if job is None:
            raise NotAdmitted(result.reason)
        estimate = self.submissions.analyses[analysis].estimated_time
        return submitted_from_json(
            {
                "job_id": job.job_id,
                "status": str(job.status),
                "status_url": f"/jobs/{job.job_id}",
                "estimated_time_seconds": int(estimate.total_seconds()),
                "outcome": str(result.outcome),
                "reason": dict(result.reason),
            }
        )

    def upload(self, tenant: str, filename: str, content: bytes, content_type: str) -> str:
        """See `Jobs.upload`."""
        with self._answering("upload", "upload"), self._audited("upload.created", tenant):
            document = self._document(filename, content_type, len(content))
            self.submissions.artifacts.write(upload_key(tenant, document), content, content_type)
        return document

    def upload_form(self, tenant: str, filename: str, content_type: str, size: int) -> UploadForm:
        """See `Jobs.upload_form`. The form has the rights of the role that signs it."""
        with self._answering("upload_form", "upload"), self._audited("upload.created", tenant):
            document = self._document(filename, content_type, size)
            key = upload_key(tenant, document)
            form = self.submissions.artifacts.presign_post(key, content_type, size, _UPLOAD_LIFE)
        return UploadForm(document, form.url, form.fields, int(_UPLOAD_LIFE.total_seconds()))

    def status(self, tenant: str, job_id: str) -> JobInfo:
        """See `Jobs.status`. Reads a large result from the bucket."""
        with self._answering("status", "read"), self._audited("job.read", tenant, job_id):
            return JobInfo.from_json(detail(self._load(tenant, job_id), self.submissions.artifacts))

    def download(self, tenant: str, job_id: str, name: str) -> bytes:
        """See `Jobs.download`."""
        with self._answering("download", "read"), self._audited("file.downloaded", tenant, job_id) as line:
            key = _file_key(self._load(tenant, job_id), name)
            line["file"] = name
            return self.submissions.artifacts.read(key, MAX_FILE_BYTES)

    def download_url(self, tenant: str, job_id: str, name: str) -> str:
        """See `Jobs.download_url`. The URL has the rights of the role that signs it."""
        with self._answering("download_url", "read"), self._audited("file.downloaded", tenant, job_id) as line:
            job = self._load(tenant, job_id)
            key = _file_key(job, name)
            line["file"] = name
            return self.submissions.artifacts.presign_get(key, name, job.files[name].content_type, _DOWNLOAD_LIFE)

    def cancel(self, tenant: str, job_id: str) -> JobInfo:
        """See `Jobs.cancel`."""
        with self._answering("cancel", "cancel"), self._audited("job.cancelled", tenant, job_id):
            return JobInfo.from_json(summary(self.control.cancel(_key(tenant, job_id))))

    def retry(self, tenant: str, job_id: str) -> JobInfo:
        """See `Jobs.retry`."""
        with self._answering("retry", "retry"), self._audited("job.retried", tenant, job_id):
            return JobInfo.from_json(summary(self.control.retry(_key(tenant, job_id))))

    def page(self, tenant: str, query: Mapping[str, Any], cursor: str | None) -> tuple[tuple[JobInfo, ...], str | None]:
        """Return one page of jobs and the cursor of the next page, None on the last."""
        given = {name: value for name, value in {**query, "cursor": cursor}.items() if value is not None}
        with self._answering("list", "read"), self._audited("jobs.listed", tenant):
            page = self.submissions.store.list_jobs(_checked(ListQuery, given).listing(tenant))
        return tuple(JobInfo.from_json(summary(job)) for job in page.jobs), page.next_before_id

    def _document(self, filename: str, content_type: str, size: int) -> str:
        upload = _checked(Upload, {"filename": filename, "content_type": content_type, "size": size})
        return upload.document(self.submissions.clock.now(), self.submissions.settings.max_document_bytes)

    def _load(self, tenant: str, job_id: str) -> JobRecord:
        key = _key(tenant, job_id)
        job = self.submissions.store.get(key)
        if job is None:
            raise UnknownResourceError(f"there is no job {job_id}")
        return job

    @contextmanager
    def _audited(self, action: str, tenant: str, job_id: str = "") -> Iterator[dict[str, Any]]:
        """Write one line of the audit trail after the block, with the fields that the block adds."""
        line: dict[str, Any] = {"job_id": job_id if is_id(job_id) else None}
        allowed = False
        try:
            yield line
            allowed = True
        finally:
            with audit.acting_as(audit.Actor("backend", self.actor), self.audit_sink):
                audit.record(action, tenant=tenant, allowed=allowed, **line)

    @contextmanager
    def _answering(self, where: str, policy: str) -> Iterator[None]:
        """Count for the module's service, and turn the library's errors and those of AWS into the client's.

        `policy` is the module's policy that allows the call.
        """
        try:
            with of_the_program(), counting_for(self.service):
                yield
        except RequestError as error:
            problem = problem_from(error)
            wait_s = retry_after_of(problem.headers.get("Retry-After"))
            raise rejection(where, problem.status, problem.body(), wait_s) from error
        except MissingArtifact as error:
            message = f"the file is missing, or this role has no right to read it: attach policies.{policy}"
            raise NotFound(where, _NOT_FOUND, {"detail": message}) from error
        except AwsError as error:
            raise _aws_error(where, policy, error) from error
        except BotoCoreError as error:
            raise Unreachable(f"{where}: AWS cannot be reached: {error}") from error


def _settings(environment: Mapping[str, str], declared: Analyses | None) -> Settings:
    given = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    if missing := [f"{PREFIX}{name}" for name in _REQUIRED if not given.get(name)]:
        raise ConfigurationError(
            f"{', '.join(missing)}: not set; give the module's output backend_environment, or add its variables to the"
            " environment"
        )
    if declared is not None:
        given["ANALYSES"] = ",".join(declared)
    try:
        return from_environment(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"backend_environment (names without {PREFIX}): {error}") from error


def _declaration(given: Analysis[Any, Any] | UndeclaredAnalysis | str) -> Analysis[Any, Any]:
    if isinstance(given, str):
        return UndeclaredAnalysis(given).declaration()
    return given.declaration() if isinstance(given, UndeclaredAnalysis) else given


def _checked(model: type[Checked], given: Mapping[str, Any]) -> Checked:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error)) from error


def _key(tenant: str, job_id: str) -> JobKey:
    if not is_id(job_id):
        raise UnknownResourceError(f"there is no job {job_id}")
    return JobKey(tenant, job_id)


def _file_key(job: JobRecord, name: str) -> str:
    file = job.files.get(name)
    if file is None:
        raise UnknownResourceError(f"job {job.job_id} has no file {name!r}")
    return file_key(job, name, file)


def _aws_error(where: str, policy: str, error: AwsError) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        detail_ = f"{error}; attach the module's policies.{policy} to the role of this backend"
        return Forbidden(where, _FORBIDDEN, {"detail": detail_})
    if code in _BAD_CREDENTIALS:
        return Unauthorized(where, _UNAUTHORIZED, {"detail": f"AWS does not accept the credentials: {error}"})
    return Unavailable(where, _UNAVAILABLE, {"detail": str(error)})
