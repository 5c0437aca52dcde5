"""The HTTP API: parse a request, call the logic, shape the answer."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Self

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from analysis_jobs.api.problems import Problem, problem_of
from analysis_jobs.api.requests import ListQuery, Upload
from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.authoring.files import file_key
from analysis_jobs.base.ids import is_id, new_id
from analysis_jobs.base.observability import log
from analysis_jobs.documents import safe_filename, upload_key
from analysis_jobs.jobs.admission import Outcome
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.request_errors import (
    FieldError,
    InvalidRequestError,
    RequestError,
    UnknownResourceError,
    field_errors,
)
from analysis_jobs.jobs.subjects import names_in
from analysis_jobs.jobs.views import detail, etag, summary
from analysis_jobs.submission.control import Control
from analysis_jobs.submission.service import Submission, SubmissionService

# An HTTP API answers within 30 s or not at all: a long poll holds at most 25.
_WAIT = re.compile(r"[1-9]|1[0-9]|2[0-5]")
_POLL = timedelta(seconds=1)
_UPLOAD_LIFE = timedelta(hours=1)
_DOWNLOAD_LIFE = timedelta(minutes=5)
# What a tenant's name may be: it becomes part of keys, where `#` and `/` divide.
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,127}")


@dataclass(frozen=True)
class Api:
    """The routes; `app` answers Lambda events."""

    submissions: SubmissionService
    control: Control
    tenant_claim: str
    app: APIGatewayHttpResolver

    @classmethod
    def build(cls, submissions: SubmissionService, tenant_claim: str) -> Self:
        """Return the API with its routes, those of the analyses included."""
        control = Control(
            submissions.store, submissions.queue, submissions.analyses, submissions.settings, submissions.clock
        )
        api = cls(submissions, control, tenant_claim, APIGatewayHttpResolver())
        api.app.post("/jobs")(api.submit)
        api.app.get("/jobs")(api.list_jobs)
        api.app.get("/jobs/<job_id>")(api.status)
        api.app.get("/jobs/<job_id>/files/<name>")(api.download)
        api.app.post("/jobs/<job_id>/cancel")(api.cancel)
        api.app.post("/jobs/<job_id>/retry")(api.retry)
        api.app.post("/uploads")(api.upload)
        api.app.get("/openapi.json")(api.openapi)
        for analysis in submissions.analyses.values():
            if analysis.submit_route:
                api.app.post(_pattern(analysis.submit_route))(api.submit_own(analysis))
            if analysis.status_route:
                api.app.get(_pattern(analysis.status_route))(api.status_own(analysis))
            if analysis.download_route:
                api.app.get(_pattern(analysis.download_route))(api.download_own(analysis))
        api.app.exception_handler(Problem)(api.problem)
        api.app.exception_handler(RequestError)(api.refused)
        api.app.not_found(api.no_route)
        api.app.exception_handler(Exception)(api.unexpected)
        return api

    def submit(self) -> Response[str]:
        """Answer `POST /jobs`."""
        tenant = self._tenant()
        return self._accepted(tenant, _validated(Submission, self._json_body()))

    def submit_own(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own submit route: the body is the input, the path names the subject.

        With triggers the body's `trigger` names one; a subject that the path does not name is made of the input.
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
                return self._accepted(tenant, _validated(Submission, submission))
            except InvalidRequestError as error:
                # `input.document` of `POST /jobs` is `document` here.
                raise error.without_prefix("input.") from error

        return submit

    def status(self, job_id: str) -> Response[str]:
        """Answer `GET /jobs/{job_id}`, at once or when something has changed (`?wait=`)."""
        return self._job(self._wait(self._stored(job_id)))

    def download(self, job_id: str, name: str) -> Response[str]:
        """Answer `GET /jobs/{job_id}/files/{name}`: 302 to a URL of the bucket, valid for five minutes.

        A web page, which may not see where a redirect leads, asks for JSON and gets the URL in it.
        """
        return self._download(self._stored(job_id), name)

    def cancel(self, job_id: str) -> Response[str]:
        """Answer `POST /jobs/{job_id}/cancel`: 200 where it is cancelled, 202 where its worker was asked to stop."""
        job = self.control.cancel(self._key(job_id))
        return _answer(200 if job.status.ended else 202, summary(job), {"Location": f"/jobs/{job_id}"})

    def retry(self, job_id: str) -> Response[str]:
        """Answer `POST /jobs/{job_id}/retry`: 202, the job waits or runs again."""
        return _answer(202, summary(self.control.retry(self._key(job_id))), {"Location": f"/jobs/{job_id}"})

    def _stored(self, job_id: str, analysis: Analysis[Any, Any] | None = None) -> JobRecord:
        job = self.submissions.store.get(self._key(job_id))
        if job is None or (analysis is not None and job.analysis != analysis.name):
            raise UnknownResourceError(f"there is no job {job_id}")
        return job

    def _key(self, job_id: str) -> JobKey:
        key = JobKey(self._tenant(), job_id)
        if not is_id(job_id):
            raise UnknownResourceError(f"there is no job {job_id}")
        return key

    def status_own(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own status route: the path's job, or the latest of its subject."""

        def status(**parameters: str) -> Response[str]:
            if "job_id" in parameters:
                return self._job(self._wait(self._stored(parameters["job_id"], analysis)))
            subject = _subject(analysis, parameters)
            job = self.submissions.store.latest(self._tenant(), analysis.name, subject or "")
            if job is None:
                raise UnknownResourceError(f"{subject} has no {analysis.name} yet")
            return self._job(self._wait(job))

        return status

    def download_own(self, analysis: Analysis[Any, Any]) -> Callable[..., Response[str]]:
        """Return the handler of an analysis' own download route; see `download`."""

        def download(**parameters: str) -> Response[str]:
            named = parameters[analysis.downloaded or ""]
            return self._download(self._stored(parameters["job_id"], analysis), analysis.downloads.get(named, named))

        return download

    def list_jobs(self) -> Response[str]:
        """Answer `GET /jobs`: a page, newest first."""
        tenant = self._tenant()
        query = _validated(ListQuery, self.app.current_event.query_string_parameters or {}, prefix="")
        page = self.submissions.store.list_jobs(query.listing(tenant))
        return _answer(200, {"jobs": [summary(job) for job in page.jobs], "next_cursor": page.next_before_id})

    def upload(self) -> Response[str]:
        """Answer `POST /uploads`: a form that admits one file of this type and size."""
        tenant = self._tenant()
        upload = _validated(Upload, self._json_body())
        limit = self.submissions.settings.max_document_bytes
        if upload.size > limit:
            raise InvalidRequestError.of_field("size", f"{upload.size} bytes; at most {limit} are read")
        document = f"{new_id(self.submissions.clock.now())}/{safe_filename(upload.filename)}"
        form = self.submissions.artifacts.presign_post(
            upload_key(tenant, document), upload.content_type, upload.size, _UPLOAD_LIFE
        )
        answer = {
            "document": document,
            "upload": {"url": form.url, "fields": form.fields},
            "expires_in_seconds": int(_UPLOAD_LIFE.total_seconds()),
        }
        return _answer(201, answer)

    def openapi(self) -> Response[str]:
        """Answer `GET /openapi.json`: the same for every tenant, and only for who names one, as all the rest."""
        self._tenant()
        return Response(200, "application/json", self._document)

    @cached_property
    def _document(self) -> str:
        from analysis_jobs.api.openapi import document  # noqa: PLC0415 - costs time, and few ever ask for it

        return json.dumps(document(self.submissions.analyses, self.submissions.settings), ensure_ascii=False)

    def problem(self, problem: Problem) -> Response[str]:
        """Answer with problem details."""
        return _answer(problem.status, problem.body(), problem.headers, "application/problem+json")

    def refused(self, error: RequestError) -> Response[str]:
        """Answer an error of the logic with problem details."""
        return self.problem(problem_of(error))

    def no_route(self, _: NotFoundError) -> Response[str]:
        """Answer a path that nobody serves."""
        event = self.app.current_event
        return self.refused(UnknownResourceError(f"there is no {event.http_method} {event.path}"))

    def unexpected(self, error: Exception) -> Response[str]:
        """Answer an error of ours: the log has it, the caller gets the request's id."""
        request_id = self.app.current_event.request_context.request_id
        log("api.error", "a request failed", error=error, request_id=request_id)
        return self.problem(Problem(500, "Internal error", f"something failed on our side; request {request_id}"))

    def _accepted(self, tenant: str, submission: Submission) -> Response[str]:
        key = self.app.current_event.headers.get("idempotency-key")
        answer = self.submissions.answer(tenant, submission, key)
        job = answer.job
        status_url = f"/jobs/{job.job_id}" if job else None
        estimate = self.submissions.analyses[submission.analysis].estimated_time
        body = {
            "job_id": job.job_id if job else None,
            "status": str(job.status) if job else None,
            "status_url": status_url,
            "estimated_time_seconds": int(estimate.total_seconds()),
            "outcome": str(answer.outcome),
        }
        headers = {"Location": status_url} if status_url else {}
        if answer.outcome is Outcome.CREATED:
            return _answer(202, body, headers | {"Retry-After": _retry_after(estimate)})
        if job and not job.status.ended:
            headers["Retry-After"] = _retry_after(estimate)
        return _answer(200, body | {"reason": dict(answer.reason)}, headers)

    def _download(self, job: JobRecord, name: str) -> Response[str]:
        file = job.files.get(name)
        if file is None:
            raise UnknownResourceError(f"job {job.job_id} has no file {name!r}")
        url = self.submissions.artifacts.presign_get(file_key(job, name, file), name, file.content_type, _DOWNLOAD_LIFE)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if "application/json" in (self.app.current_event.headers.get("accept") or ""):
            return _answer(200, {"url": url, "expires_in_seconds": int(_DOWNLOAD_LIFE.total_seconds())}, headers)
        return Response(302, body="", headers={**headers, "Location": url})

    def _job(self, job: JobRecord) -> Response[str]:
        headers = {"ETag": etag(job), "Cache-Control": "no-cache"}
        if not job.status.ended:
            headers["Retry-After"] = "3"
        if self._is_known(job):
            return Response(304, body="", headers=headers)
        return _answer(200, detail(job, self.submissions.artifacts), headers)

    def _wait(self, job: JobRecord) -> JobRecord:
        """Return the job as soon as it has ended, or is not the version that the caller has, or the wait is over."""
        clock = self.submissions.clock
        until = clock.now() + _wait_of(self.app.current_event.query_string_parameters or {})
        anything = self.app.current_event.headers.get("if-none-match") is None
        while not job.status.ended and (anything or self._is_known(job)) and clock.now() < until:
            clock.sleep(min(_POLL, until - clock.now()))
            job = self.submissions.store.get(job.key) or job
        return job

    def _is_known(self, job: JobRecord) -> bool:
        """Tell whether the caller has this version. `If-None-Match` is a list, and proxies mark tags as weak."""
        known = self.app.current_event.headers.get("if-none-match") or ""
        return etag(job) in (tag.strip().removeprefix("W/") for tag in known.split(","))

    def _tenant(self) -> str:
        authorizer = self.app.current_event.request_context.authorizer
        claims = (authorizer.jwt_claim if authorizer else None) or {}
        tenant = claims.get(self.tenant_claim)
        if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise Problem(403, "Forbidden", f"the token's claim {self.tenant_claim!r} names no tenant")
        return tenant

    def _json_body(self) -> Any:
        try:
            body = self.app.current_event.decoded_body or ""
            if len(body.encode()) > MAX_PAYLOAD_BYTES:
                message = f"more than {MAX_PAYLOAD_BYTES} bytes; give a large document as an upload"
                raise Problem(413, "Request too large", message, (FieldError("body", message),))
            # Stricter than `json`: no NaN, no halves of surrogate pairs, no nesting that nobody can write again.
            given = from_json(body, allow_inf_nan=False)
            json.dumps(given, allow_nan=False)  # 1e999 is read as infinity
        except ValueError as error:
            message = f"this is no JSON: {error}"
            raise Problem(400, "Invalid request", message, (FieldError("body", message),)) from error
        return given


def _validated[Model: BaseModel](model: type[Model], given: Any, prefix: str = "") -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequestError(field_errors(error, prefix)) from error


def _wait_of(query: dict[str, str]) -> timedelta:
    given = query.get("wait")
    if given is None:
        return timedelta()
    if not _WAIT.fullmatch(given):
        raise InvalidRequestError.of_field("wait", "give a whole number of seconds from 1 to 25")
    return timedelta(seconds=int(given))


def _retry_after(estimate: timedelta) -> str:
    return str(max(1, min(5, round(estimate.total_seconds() / 10))))


def _subject(analysis: Analysis[Any, Any], parameters: dict[str, str]) -> str | None:
    if analysis.subject is None or names_in(analysis.subject) - parameters.keys():
        return None
    return analysis.subject.format(**parameters)


def _pattern(route: str) -> str:
    """Return a route's path in the resolver's spelling: `/books/{id}` as `/books/<id>`."""
    return route.split(" ", 1)[1].replace("{", "<").replace("}", ">")


type _Json = Literal["application/json", "application/problem+json"]


def _answer(
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
    content_type: _Json = "application/json",
) -> Response[str]:
    return Response(status, content_type, json.dumps(body, ensure_ascii=False), headers=dict(headers or {}))
