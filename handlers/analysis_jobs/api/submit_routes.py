"""The routes that submit jobs: `POST /jobs` and the submit routes of analyses."""

from typing import Any

from analysis_jobs.api.call import Call, validated
from analysis_jobs.api.polling import retry_after, retry_after_of
from analysis_jobs.api.routing import Handler, Response, json_response
from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import Outcome
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.subjects import normal_subject, template_fields
from analysis_jobs.submission.service import Submission, SubmissionService


@dataclass(frozen=True)
class SubmitRoutes:
    """The handlers of submissions."""

    submissions: SubmissionService

    def submit(self, call: Call) -> Response:
        """Handle `POST /jobs`."""
        tenant = call.tenant()
        return self._submit(call, tenant, validated(Submission, call.json_body()))

    def of(self, analysis: Analysis[Any, Any]) -> Handler:
        """Return the handler of an analysis' own submit route. The body is the input, and the path names the subject.

        If the analysis has triggers, the field `trigger` of the body names one. If the path does not name the subject,
        the subject is computed from the input.
        """

        def submit(call: Call, **parameters: str) -> Response:
            tenant = call.tenant()
            body = call.json_body()
            if not isinstance(body, dict):
                raise InvalidRequestError.of_field("body", "give a JSON object")
            trigger = body.pop("trigger", None) if analysis.triggers else None
            submission = {
                "analysis": analysis.name,
                "input": body,
                "trigger": trigger,
                "subject": subject_in(analysis, parameters),
                "client": parameters.get("client"),
                "project": parameters.get("project"),
            }
            try:
                return self._submit(call, tenant, validated(Submission, submission))
            except InvalidRequestError as error:
                # `input.document` in `POST /jobs` is `document` in this body.
                raise error.without_prefix("input.") from error

        return submit

    def _submit(self, call: Call, tenant: str, submission: Submission) -> Response:
        key = call.request.headers.get("idempotency-key")
        result = self.submissions.submit_with_outcome(tenant, submission, key, call.canary())
        job = result.job
        call.audit.job_id = job.job_id if job else None
        call.audit.fields |= {"analysis": submission.analysis, "outcome": str(result.outcome)}
        status_url = call.path_of(job.job_id) if job else None
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
            return json_response(202, body, headers | {"Retry-After": retry_after(estimate)})
        if job and not job.status.ended:
            headers["Retry-After"] = retry_after_of(job, self.submissions.analyses, self.submissions.clock.now())
        return json_response(200, body | {"reason": dict(result.reason)}, headers)


def subject_in(analysis: Analysis[Any, Any], parameters: dict[str, str]) -> str | None:
    """Return the subject that the path of an own route names. None: it names none."""
    if analysis.subject is None or template_fields(analysis.subject) - parameters.keys():
        return None
    return normal_subject(analysis.subject.format(**parameters))
