"""The HTTP API: parses a request, calls the library and returns the response."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from analysis_jobs.api.answers import fits, job_body, json_text, page_body
from analysis_jobs.api.audited import AuditLine, audited
from analysis_jobs.api.callers import canary_of, prefix_of, tenant_of
from analysis_jobs.api.polling import pause_between_reads, retry_after
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.api.requests import ListQuery
from analysis_jobs.api.traced import describe_answer, describe_route, request_span
from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.authoring.files import file_key
from analysis_jobs.base import audit
from analysis_jobs.base.field_errors import FieldError, field_errors
from analysis_jobs.base.ids import is_id
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.base.tracing import Span
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.admission import Outcome
from analysis_jobs.jobs.canaries import CanaryRun
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.ports import WaitingSlot, WaitingSlots
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.request_errors import InvalidRequestError, RequestError, UnknownResourceError
from analysis_jobs.jobs.subjects import is_possible_subject, normal_subject, template_fields
from analysis_jobs.jobs.views import etag, summary
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.submission.uploads import Upload

Model = TypeVar("Model", bound=BaseModel)

# An API Gateway HTTP API times out after 30 s. A long poll takes at most 25.
_WAIT_PARAMETER = re.compile(r"[1-9]|1[0-9]|2[0-5]")
_SLOT_MARGIN = timedelta(seconds=5)  # for the last poll; then the slot of a dead function is free
_UPLOAD_LIFE = timedelta(hours=1)
_DOWNLOAD_LIFE = timedelta(minutes=5)
_PREFIX, _AUDIT, _SPAN = "prefix", "audit", "span"  # keys of the resolver's context


@dataclass(frozen=True)
class Api:
    """The routes. `app` handles Lambda events."""

    submissions: SubmissionService
    control: JobControl
    tenant_claim: str
    waiting: WaitingSlots
    app: APIGatewayHttpResolver
    audit_sink: audit.Sink | None = None

    @classmethod
    def build(
        cls,
        submissions: SubmissionService,
        tenant_claim: str,
        waiting: WaitingSlots,
        audit_sink: audit.Sink | None = None,
    ) -> Self:
        """Return the API with the standard routes and the routes of the analyses."""
        control = JobControl(
            submissions.store,
            submissions.queue,
            submissions.artifacts,
            submissions.analyses,
            submissions.settings,
            submissions.clock,
        )
        api = cls(submissions, control, tenant_claim, waiting, APIGatewayHttpResolver(), audit_sink)
        api.route("POST /jobs", "job.submitted", api.submit)
        api.route("GET /jobs", "jobs.listed", api.list_jobs)
        api.route("GET /jobs/{job_id}", "job.read", api.status)
        api.route("GET /jobs/{job_id}/files/{name}", "file.downloaded", api.download)
        api.route("POST /jobs/{job_id}/cancel", "job.cancelled", api.cancel)
        api.route("POST /jobs/{job_id}/retry", "job.retried", api.retry)
        api.route("POST /uploads", "upload.created", api.upload)
        api.route("GET /openapi.json", "api.described", api.openapi)
        for analysis in submissions.analyses.values():
            if analysis.submit_route:
                api.route(analysis.submit_route, "job.submitted", api.own_submit_handler(analysis))
            if analysis.status_route:
                api.route(analysis.status_route, "job.read", api.own_status_handler(analysis))
            if analysis.download_route:
                api.route(analysis.download_route, "file.downloaded", api.own_download_handler(analysis))
        api.app.exception_handler(Problem)(api.problem)
        api.app.exception_handler(RequestError)(api.request_error)
        api.app.not_found(api.no_route)
        api.app.exception_handler(Exception)(api.unexpected)
        return api

    def resolve(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Return the response to an HTTP API event (payload format 2.0).

        First the prefix of the kind of caller is removed from the path. Then the path is put into Unicode's normal form
        C, like every subject: the resolver matches no lone accents.
        """
        prefix = prefix_of(event, self.submissions.settings.callers)
        self.app.context[_PREFIX] = prefix
        path = normal_subject(event["rawPath"].removeprefix(prefix))
        with audited(event["requestContext"], self.audit_sink) as line, request_span(event, context) as span:
            self.app.context.update({_AUDIT: line, _SPAN: span})
            answer = self.app.resolve({**event, "rawPath": path}, context)
            line.status = answer["statusCode"]
            describe_answer(span, line.status)
        return answer

    def route(self, route: str, action: str, handler: Callable[..., Response[str]]) -> None:
        """Register the handler of a route, `METHOD /path/{parameter}`, and its action in the audit trail."""
        method, path = route.split(" ", 1)

        def handle(**parameters: str) -> Response[str]:
            span: Span = self.app.context[_SPAN]
            describe_route(span, method, path)
            self._audit.action = action
            job_id = parameters.get("job_id", "")
            self._audit.job_id = job_id if is_id(job_id) else None
            return handler(**parameters)

        # The resolver's syntax of a parameter: `/books/{id}` becomes `/books/<id>`.
        self.app.route(path.replace("{", "<").replace("}", ">"), method)(handle)

    def submit(self) -> Response[str]:
        """Handle `POST /jobs`."""
        tenant = self._tenant()
        return self._submit(tenant, _validated(Submission, self._json_body()))

    def own_submit_handler(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own submit route. The body is the input, and the path names the subject.

        If the analysis has triggers, the field `trigger` of the body names one. If the path does not name the subject,
        the subject is computed from the input.
        """

        def submit(**parameters: str) -> Response[str]:
            tenant = self._tenant()
            body = self._json_body()
            if not isinstance(body, dict):
                raise InvalidRequestError.of_field("body", "give a JSON object")
            trigger = body.pop("trigger", None) if analysis.triggers else None
            submission = {
                "analysis": analysis.name,
                "input": body,
                "trigger": trigger,
                "subject": _subject(analysis, parameters),
                "client": parameters.get("client"),
                "project": parameters.get("project"),
            }
            try:
                return self._submit(tenant, _validated(Submission, submission))
            except InvalidRequestError as error:
                # `input.document` in `POST /jobs` is `document` in this body.
                raise error.without_prefix("input.") from error

        return submit

    def status(self, job_id: str) -> Response[str]:
        """Handle `GET /jobs/{job_id}`. With `?wait=` the response waits for a change of the job."""
        return self._job_response(self._wait_for_change(self._load_job(job_id)))

    def download(self, job_id: str, name: str) -> Response[str]:
        """Handle `GET /jobs/{job_id}/files/{name}`: 302 to a presigned URL that is valid for five minutes.

        A script in a browser cannot read the target of a redirect. With `Accept: application/json` the response
        contains the URL instead.
        """
        return self._download_response(self._load_job(job_id), name)

    def cancel(self, job_id: str) -> Response[str]:
        """Handle `POST /jobs/{job_id}/cancel`: 200 if the job is cancelled, 202 if the worker was asked to stop."""
        job = self.control.cancel(self._job_key(job_id))
        return _json_response(200 if job.status.ended else 202, summary(job), {"Location": self._path_of(job_id)})

    def retry(self, job_id: str) -> Response[str]:
        """Handle `POST /jobs/{job_id}/retry`: 202, the job is queued or running."""
        job = self.control.retry(self._job_key(job_id))
        return _json_response(202, summary(job), {"Location": self._path_of(job_id)})

    def _load_job(self, job_id: str, analysis: Analysis[Any, Any] | None = None) -> JobRecord:
        job = self.submissions.store.get(self._job_key(job_id))
        if job is None or (analysis is not None and job.analysis != analysis.name):
            raise UnknownResourceError(f"there is no job {job_id}")
        return job

    def _job_key(self, job_id: str) -> JobKey:
        key = JobKey(self._tenant(), job_id)
        if not is_id(job_id):
            raise UnknownResourceError(f"there is no job {job_id}")
        return key

    def own_status_handler(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own status route. The path names a job or a subject.

        For a subject the response is its newest job.
        """

        def status(**parameters: str) -> Response[str]:
            if "job_id" in parameters:
                return self._job_response(self._wait_for_change(self._load_job(parameters["job_id"], analysis)))
            tenant, subject = self._tenant(), _subject(analysis, parameters) or ""
            # A subject that no job can have is not looked up: its key could exceed DynamoDB's limits.
            possible = is_possible_subject(subject)
            job = self.submissions.store.latest(tenant, analysis.name, subject) if possible else None
            if job is None:
                raise UnknownResourceError(f"the subject {subject} has no job of {analysis.name}")
            return self._job_response(self._wait_for_change(job))

        return status

    def own_download_handler(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own download route. See `download`."""

        def download(**parameters: str) -> Response[str]:
            named = parameters[analysis.download_parameter or ""]
            name = analysis.downloads.get(named, named)
            return self._download_response(self._load_job(parameters["job_id"], analysis), name)

        return download

    def list_jobs(self) -> Response[str]:
        """Handle `GET /jobs`: one page of jobs, newest first."""
        tenant = self._tenant()
        query = _validated(ListQuery, self.app.current_event.query_string_parameters or {}, prefix="")
        page = self.submissions.store.list_jobs(query.listing(tenant))
        return Response(200, "application/json", page_body(page))

    def upload(self) -> Response[str]:
        """Handle `POST /uploads`: return a form that uploads one file of this type and size."""
        tenant = self._tenant()
        upload = _validated(Upload, self._json_body())
        document = upload.document(self.submissions.clock.now(), self.submissions.settings.max_document_bytes)
        form = self.submissions.artifacts.presign_post(
            upload_key(tenant, document), upload.content_type, upload.size, _UPLOAD_LIFE
        )
        body = {
            "document": document,
            "upload": {"url": form.url, "fields": form.fields},
            "expires_in_seconds": int(_UPLOAD_LIFE.total_seconds()),
        }
        return _json_response(201, body)

    def openapi(self) -> Response[str]:
        """Handle `GET /openapi.json`. It needs a tenant like every route, but the document is the same for all."""
        self._tenant()
        prefix = self.app.context.get(_PREFIX)
        text = json_text({**json.loads(self._document), "servers": [{"url": prefix}]}) if prefix else self._document
        return Response(200, "application/json", text)

    @cached_property
    def _document(self) -> str:
        from analysis_jobs.api.openapi import document  # noqa: PLC0415 - slow to import, and rarely requested

        text = json_text(document(self.submissions.analyses, self.submissions.settings))
        if not fits(text):
            raise Problem(500, "Document too large", "the OpenAPI document of these analyses is larger than an answer")
        return text

    def problem(self, problem: Problem) -> Response[str]:
        """Return the response with the problem details."""
        return _json_response(problem.status, problem.body(), problem.headers, "application/problem+json")

    def request_error(self, error: RequestError) -> Response[str]:
        """Return the response to a request error."""
        return self.problem(problem_from(error))

    def no_route(self, _: NotFoundError) -> Response[str]:
        """Return the response for a path without a route."""
        event = self.app.current_event
        return self.request_error(UnknownResourceError(f"there is no route {event.http_method} {event.path}"))

    def unexpected(self, error: Exception) -> Response[str]:
        """Log an unexpected error. The caller gets the id of the request and no details."""
        request_id = self.app.current_event.request_context.request_id
        log("api.error", "a request failed", error=error, request_id=request_id)
        return self.problem(Problem(500, "Internal error", f"something failed on our side; request {request_id}"))

    def _submit(self, tenant: str, submission: Submission) -> Response[str]:
        key = self.app.current_event.headers.get("idempotency-key")
        result = self.submissions.submit_with_outcome(tenant, submission, key, self._canary())
        job = result.job
        self._audit.job_id = job.job_id if job else None
        self._audit.fields |= {"analysis": submission.analysis, "outcome": str(result.outcome)}
        status_url = self._path_of(job.job_id) if job else None
        estimate = self.submissions.analyses[submission.analysis].estimated_time
        body = {
            "job_id": job.job_id if job else None,
            "status": str(job.status) if job else None,
            "status_url": status_url,
            "estimated_time_seconds": int(estimate.total_seconds()),
            "outcome": str(result.outcome),
        }
        headers = {"Location": status_url} if status_url else {}
        if result.outcome is Outcome.CREATED:
            return _json_response(202, body, headers | {"Retry-After": retry_after(estimate)})
        if job and not job.status.ended:
            headers["Retry-After"] = self._retry_after(job)
        return _json_response(200, body | {"reason": dict(result.reason)}, headers)

    def _download_response(self, job: JobRecord, name: str) -> Response[str]:
        file = job.files.get(name)
        if file is None:
            raise UnknownResourceError(f"job {job.job_id} has no file {name!r}")
        self._audit.of_job(job)
        self._audit.fields["file"] = name
        url = self.submissions.artifacts.presign_get(file_key(job, name, file), name, file.content_type, _DOWNLOAD_LIFE)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if "application/json" in (self.app.current_event.headers.get("accept") or ""):
            return _json_response(200, {"url": url, "expires_in_seconds": int(_DOWNLOAD_LIFE.total_seconds())}, headers)
        return Response(302, body="", headers={**headers, "Location": url})

    def _job_response(self, job: JobRecord) -> Response[str]:
        self._audit.of_job(job)
        headers = {"ETag": etag(job), "Cache-Control": "no-cache"}
        if not job.status.ended:
            headers["Retry-After"] = self._retry_after(job)
        if self._caller_has(job):
            return Response(304, body="", headers=headers)
        body = job_body(job, self.submissions.artifacts, self.submissions.clock.now())
        return Response(200, "application/json", body, headers=headers)

    def _retry_after(self, job: JobRecord) -> str:
        analysis = self.submissions.analyses.get(job.analysis)  # None: this version does not declare it any more
        age = self.submissions.clock.now() - job.created_at
        return retry_after(analysis.estimated_time if analysis else age, age)

    def _wait_for_change(self, job: JobRecord) -> JobRecord:
        """Poll until the job has ended, differs from the caller's version, or the time of `wait` is over.

        If too many requests wait, return the job at once.
        """
        until = self.submissions.clock.now() + _requested_wait(self.app.current_event.query_string_parameters or {})
        if not self._must_wait(job, until) or (slot := self._waiting_slot(job.tenant, until)) is None:
            return job
        clock = self.submissions.clock
        try:
            while self._must_wait(job, until):
                clock.sleep(min(pause_between_reads(clock.now() - job.created_at), until - clock.now()))
                job = self.submissions.store.get(job.key) or job
        finally:
            self._free(slot)
        return job

    def _must_wait(self, job: JobRecord, until: datetime) -> bool:
        until_ended = self.app.current_event.headers.get("if-none-match") is None
        unchanged = not job.status.ended and (until_ended or self._caller_has(job))
        return unchanged and self.submissions.clock.now() < until

    def _waiting_slot(self, tenant: str, until: datetime) -> WaitingSlot | None:
        try:
            slot = self.waiting.take(tenant, self.submissions.clock.now(), until + _SLOT_MARGIN)
        except Exception as error:  # noqa: BLE001 - the caller asks again; not waiting is always right
            log("wait.failed", "the request does not wait: its slot could not be taken", error=error, tenant=tenant)
            return None
        if slot is None:
            count("WaitsRefused")
        return slot

    def _free(self, slot: WaitingSlot) -> None:
        try:
            self.waiting.free(slot)
        except Exception as error:  # noqa: BLE001 - the slot expires
            log("wait.not_freed", "a slot of a waiting request stays taken until it expires", error=error)

    def _caller_has(self, job: JobRecord) -> bool:
        """Return whether the caller has this version. `If-None-Match` is a list, and proxies may mark tags as weak."""
        known = self.app.current_event.headers.get("if-none-match") or ""
        return etag(job) in (tag.strip().removeprefix("W/") for tag in known.split(","))

    def _canary(self) -> CanaryRun | None:
        return canary_of(self.app.current_event.request_context.raw_event)

    def _tenant(self) -> str:
        if self._canary():
            self._audit.tenant = CANARY_TENANT
            return CANARY_TENANT
        authorizer = self.app.current_event.request_context.get("authorizer") or {}
        self._audit.tenant = tenant_of(authorizer, self.submissions.settings.callers, self.tenant_claim)
        return self._audit.tenant

    @property
    def _audit(self) -> AuditLine:
        line: AuditLine = self.app.context[_AUDIT]
        return line

    def _path_of(self, job_id: str) -> str:
        return f"{self.app.context.get(_PREFIX, '')}/jobs/{job_id}"

    def _json_body(self) -> Any:
        try:
            body = self.app.current_event.decoded_body or ""
            if len(body.encode()) > MAX_PAYLOAD_BYTES:
                message = f"the body has more than {MAX_PAYLOAD_BYTES} bytes; upload large documents with POST /uploads"
                raise Problem(413, "Request too large", message, (FieldError("body", message),))
            # Stricter than `json`: rejects NaN, lone surrogates, and nesting that is too deep to serialize.
            given = from_json(body, allow_inf_nan=False)
            json.dumps(given, allow_nan=False)  # rejects 1e999, which is parsed as infinity
        except ValueError as error:
            message = f"this is not JSON: {error}"
            raise Problem(400, "Invalid request", message, (FieldError("body", message),)) from error
        return given


def _validated(model: type[Model], given: Any, prefix: str = "") -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error, prefix)) from error


def _requested_wait(query: dict[str, str]) -> timedelta:
    given = query.get("wait")
    if given is None:
        return timedelta()
    if not _WAIT_PARAMETER.fullmatch(given):
        raise InvalidRequestError.of_field("wait", "give a whole number of seconds from 1 to 25")
    return timedelta(seconds=int(given))


def _subject(analysis: Analysis[Any, Any], parameters: dict[str, str]) -> str | None:
    if analysis.subject is None or template_fields(analysis.subject) - parameters.keys():
        return None
    return normal_subject(analysis.subject.format(**parameters))


_JsonType: TypeAlias = Literal["application/json", "application/problem+json"]


def _json_response(
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
    content_type: _JsonType = "application/json",
) -> Response[str]:
    return Response(status, content_type, json_text(body), headers=dict(headers or {}))
