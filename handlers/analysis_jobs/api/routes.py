"""The HTTP API: parses a request, calls the library and returns the response."""

import json
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

from analysis_jobs.api.answers import fits, json_text, page_body
from analysis_jobs.api.audited import audited
from analysis_jobs.api.call import Call, validated
from analysis_jobs.api.callers import prefix_of
from analysis_jobs.api.job_routes import JobRoutes
from analysis_jobs.api.problems import Problem, problem_from
from analysis_jobs.api.requests import ListQuery
from analysis_jobs.api.routing import Handler, Request, Response, Router, json_response
from analysis_jobs.api.submit_routes import SubmitRoutes
from analysis_jobs.api.traced import describe_answer, describe_route, request_span
from analysis_jobs.api.waiting import Waiting
from analysis_jobs.base import audit
from analysis_jobs.base.ids import is_id
from analysis_jobs.base.observability import log
from analysis_jobs.base.values import dataclass
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.ports import WaitingSlots
from analysis_jobs.jobs.request_errors import RequestError, UnknownResourceError
from analysis_jobs.jobs.subjects import normal_subject
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import SubmissionService
from analysis_jobs.submission.uploads import Upload

_UPLOAD_LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class Api:
    """The routes. `resolve` handles Lambda events."""

    submissions: SubmissionService
    tenant_claim: str
    router: Router
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
        api = cls(submissions, tenant_claim, Router(), audit_sink)
        submit = SubmitRoutes(submissions)
        jobs = JobRoutes(submissions, _control(submissions), Waiting(submissions.store, waiting, submissions.clock))
        api.route("POST /jobs", "job.submitted", submit.submit)
        api.route("GET /jobs", "jobs.listed", api.list_jobs)
        api.route("GET /jobs/{job_id}", "job.read", jobs.status)
        api.route("GET /jobs/{job_id}/files/{name}", "file.downloaded", jobs.download)
        api.route("POST /jobs/{job_id}/cancel", "job.cancelled", jobs.cancel)
        api.route("POST /jobs/{job_id}/retry", "job.retried", jobs.retry)
        api.route("POST /uploads", "upload.created", api.upload)
        api.route("GET /openapi.json", "api.described", api.openapi)
        for analysis in submissions.analyses.values():
            if analysis.submit_route:
                api.route(analysis.submit_route, "job.submitted", submit.of(analysis))
            if analysis.status_route:
                api.route(analysis.status_route, "job.read", jobs.own_status(analysis))
            if analysis.download_route:
                api.route(analysis.download_route, "file.downloaded", jobs.own_download(analysis))
        return api

    def route(self, route: str, action: str, handler: Handler) -> None:
        """Register the handler of a route, `METHOD /path/{parameter}`, and its action in the audit trail."""

        def handle(call: Call, **parameters: str) -> Response:
            describe_route(call.span, route)
            call.audit.action = action
            job_id = parameters.get("job_id", "")
            call.audit.job_id = job_id if is_id(job_id) else None
            return handler(call, **parameters)

        self.router.add(route, handle)

    def resolve(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Return the response to an HTTP API event (payload format 2.0).

        First the prefix of the kind of caller is removed from the path. Then the path is put into Unicode's normal form
        C, like every subject: a route matches no lone accents.
        """
        callers = self.submissions.settings.callers
        prefix = prefix_of(event, callers)
        request = Request(event, normal_subject(event["rawPath"].removeprefix(prefix)))
        with audited(request.context, self.audit_sink) as line, request_span(request, context) as span:
            response = self._answer(Call(request, prefix, line, span, callers, self.tenant_claim))
            line.status = response.status
            describe_answer(span, response.status)
        return response.for_lambda()

    def _answer(self, call: Call) -> Response:
        """Return the response of the route. Every error is a response too."""
        request = call.request
        try:
            found = self.router.find(request.method, request.path)
            if found is None:
                raise UnknownResourceError(f"there is no route {request.method} {request.path}")  # noqa: TRY301
            handler, parameters = found
            return handler(call, **parameters)
        except Problem as problem:
            return _problem_response(problem)
        except RequestError as error:
            return _problem_response(problem_from(error))
        except Exception as error:  # noqa: BLE001 - the caller gets the id of the request and no details
            request_id = request.context["requestId"]
            log("api.error", "a request failed", error=error, request_id=request_id)
            return _problem_response(
                Problem(500, "Internal error", f"something failed on our side; request {request_id}")
            )

    def list_jobs(self, call: Call) -> Response:
        """Handle `GET /jobs`: one page of jobs, newest first."""
        tenant = call.tenant()
        query = validated(ListQuery, call.request.query)
        page = self.submissions.store.list_jobs(query.listing(tenant))
        return Response(200, "application/json", page_body(page))

    def upload(self, call: Call) -> Response:
        """Handle `POST /uploads`: return a form that uploads one file of this type and size."""
        tenant = call.tenant()
        upload = validated(Upload, call.json_body())
        document = upload.document(self.submissions.clock.now(), self.submissions.settings.max_document_bytes)
        form = self.submissions.artifacts.presign_post(
            upload_key(tenant, document), upload.content_type, upload.size, _UPLOAD_LIFE
        )
        body = {
            "document": document,
            "upload": {"url": form.url, "fields": form.fields},
            "expires_in_seconds": int(_UPLOAD_LIFE.total_seconds()),
        }
        return json_response(201, body)

    def openapi(self, call: Call) -> Response:
        """Handle `GET /openapi.json`. It needs a tenant like every route, but the document is the same for all."""
        call.tenant()
        prefix = call.prefix
        text = json_text({**json.loads(self._document), "servers": [{"url": prefix}]}) if prefix else self._document
        return Response(200, "application/json", text)

    @cached_property
    def _document(self) -> str:
        from analysis_jobs.api.openapi import document  # noqa: PLC0415 - slow to import, and rarely requested

        text = json_text(document(self.submissions.analyses, self.submissions.settings))
        if not fits(text):
            raise Problem(500, "Document too large", "the OpenAPI document of these analyses is larger than an answer")
        return text


def _control(submissions: SubmissionService) -> JobControl:
    return JobControl(
        submissions.store,
        submissions.queue,
        submissions.artifacts,
        submissions.analyses,
        submissions.settings,
        submissions.clock,
    )


def _problem_response(problem: Problem) -> Response:
    return json_response(problem.status, problem.body(), problem.headers, "application/problem+json")
