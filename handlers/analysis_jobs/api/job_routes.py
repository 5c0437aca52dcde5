"""The routes of one job: its state, its files, `cancel` and `retry`."""

from datetime import timedelta
from typing import Any

from analysis_jobs.api.answers import job_body
from analysis_jobs.api.call import Call
from analysis_jobs.api.polling import retry_after_of
from analysis_jobs.api.routing import Handler, Response, json_response
from analysis_jobs.api.submit_routes import subject_in
from analysis_jobs.api.waiting import Waiting, caller_has
from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.authoring.files import file_key
from analysis_jobs.base.ids import is_id
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.request_errors import UnknownResourceError
from analysis_jobs.jobs.subjects import is_possible_subject
from analysis_jobs.jobs.views import etag, summary
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import SubmissionService

_DOWNLOAD_LIFE = timedelta(minutes=5)


@dataclass(frozen=True)
class JobRoutes:
    """The handlers of one job. The `own_` ones return the handlers of an analysis' own routes."""

    submissions: SubmissionService
    control: JobControl
    waiting: Waiting

    def status(self, call: Call, job_id: str) -> Response:
        """Handle `GET /jobs/{job_id}`. With `?wait=` the response waits for a change of the job."""
        return self._job_response(call, self._load_job(call, job_id))

    def download(self, call: Call, job_id: str, name: str) -> Response:
        """Handle `GET /jobs/{job_id}/files/{name}`: 302 to a presigned URL that is valid for five minutes.

        A script in a browser cannot read the target of a redirect. With `Accept: application/json` the response
        contains the URL instead.
        """
        return self._download_response(call, self._load_job(call, job_id), name)

    def cancel(self, call: Call, job_id: str) -> Response:
        """Handle `POST /jobs/{job_id}/cancel`: 200 if the job is cancelled, 202 if the worker was asked to stop."""
        job = self.control.cancel(_job_key(call, job_id))
        return json_response(200 if job.status.ended else 202, summary(job), {"Location": call.path_of(job_id)})

    def retry(self, call: Call, job_id: str) -> Response:
        """Handle `POST /jobs/{job_id}/retry`: 202, the job is queued or running."""
        job = self.control.retry(_job_key(call, job_id))
        return json_response(202, summary(job), {"Location": call.path_of(job_id)})

    def own_status(self, analysis: Analysis[Any, Any]) -> Handler:
        """Return the handler of a status route. The path names a job or a subject.

        For a subject the response is its newest job.
        """

        def status(call: Call, **parameters: str) -> Response:
            if "job_id" in parameters:
                return self._job_response(call, self._load_job(call, parameters["job_id"], analysis))
            tenant, subject = call.tenant(), subject_in(analysis, parameters) or ""
            # A subject that no job can have is not looked up: its key could exceed DynamoDB's limits.
            possible = is_possible_subject(subject)
            job = self.submissions.store.latest(tenant, analysis.name, subject) if possible else None
            if job is None:
                raise UnknownResourceError(f"the subject {subject} has no job of {analysis.name}")
            return self._job_response(call, job)

        return status

    def own_download(self, analysis: Analysis[Any, Any]) -> Handler:
        """Return the handler of a download route. See `download`."""

        def download(call: Call, **parameters: str) -> Response:
            named = parameters[analysis.download_parameter or ""]
            name = analysis.downloads.get(named, named)
            return self._download_response(call, self._load_job(call, parameters["job_id"], analysis), name)

        return download

    def _load_job(self, call: Call, job_id: str, analysis: Analysis[Any, Any] | None = None) -> JobRecord:
        job = self.submissions.store.get(_job_key(call, job_id))
        if job is None or (analysis is not None and job.analysis != analysis.name):
            raise UnknownResourceError(f"there is no job {job_id}")
        return job

    def _job_response(self, call: Call, job: JobRecord) -> Response:
        job = self.waiting.for_change(job, call.request)
        call.audit.of_job(job)
        now = self.submissions.clock.now()
        headers = {"ETag": etag(job), "Cache-Control": "no-cache"}
        if not job.status.ended:
            headers["Retry-After"] = retry_after_of(job, self.submissions.analyses, now)
        if caller_has(job, call.request):
            return Response(304, headers=headers)
        return Response(200, "application/json", job_body(job, self.submissions.artifacts, now), headers)

    def _download_response(self, call: Call, job: JobRecord, name: str) -> Response:
        file = job.files.get(name)
        if file is None:
            raise UnknownResourceError(f"job {job.job_id} has no file {name!r}")
        call.audit.of_job(job)
        call.audit.fields["file"] = name
        url = self.submissions.artifacts.presign_get(file_key(job, name, file), name, file.content_type, _DOWNLOAD_LIFE)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if "application/json" in (call.request.headers.get("accept") or ""):
            return json_response(200, {"url": url, "expires_in_seconds": int(_DOWNLOAD_LIFE.total_seconds())}, headers)
        return Response(302, headers=headers | {"Location": url})


def _job_key(call: Call, job_id: str) -> JobKey:
    key = JobKey(call.tenant(), job_id)
    if not is_id(job_id):
        raise UnknownResourceError(f"there is no job {job_id}")
    return key
