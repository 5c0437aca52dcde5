"""The two ways of a canary into a stack: through the API function, or into the table of a stack without an API.

Both make the same job: its tenant and its lane are those of canaries.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import requests

from analysis_jobs import wiring
from analysis_jobs.api.callers import CANARY_MARK
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.undeclared import UndeclaredAnalysis
from analysis_jobs.base import settings
from analysis_jobs.base.clock import Clock, rfc3339, to_ms
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.documents import safe_filename, upload_key
from analysis_jobs.jobs.canaries import CanaryRun
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.views import detail
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.probe import invoke
from analysis_jobs_dev.release.stack import Clients
from analysis_jobs_dev.release.versions import Versions

_TIMEOUT_S = 120
_OK = range(200, 300)
_PREFIX = "ANALYSIS_JOBS_"


class CanaryPath(Protocol):
    """Submits and follows canaries. Its methods raise `ReleaseError`, and the errors of AWS."""

    def upload(self, file: Path) -> str:
        """Upload a document, and return its name for an input."""

    def submit(self, submission: Mapping[str, Any]) -> str:
        """Submit a job, and return its id."""

    def job(self, job_id: str) -> Mapping[str, Any]:
        """Return a job, as `GET /jobs/{job_id}` answers it, with its whole result."""

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""


@dataclass(frozen=True)
class ThroughTheApi:
    """The way of every job: the API function is invoked directly, with an event that marks the job as a canary.

    `trusted` is the file of the certificates that S3 is trusted by, or True for the usual ones.
    """

    versions: Versions
    clock: Clock
    prompts: Mapping[str, int] = field(default_factory=dict)
    trusted: str | bool = True

    def upload(self, file: Path) -> str:
        """See `CanaryPath.upload`."""
        content, kind = file.read_bytes(), _content_type(file)
        form = self._call("POST", "/uploads", {"filename": file.name, "content_type": kind, "size": len(content)})
        answer = requests.post(
            form["upload"]["url"],
            data=form["upload"]["fields"],
            files={"file": (file.name, content, kind)},
            timeout=_TIMEOUT_S,
            verify=self.trusted,
        )
        if answer.status_code not in _OK:
            raise ReleaseError(f"S3 refused the upload of {file.name}: {answer.status_code} {answer.text[:500]}")
        return str(form["document"])

    def submit(self, submission: Mapping[str, Any]) -> str:
        """See `CanaryPath.submit`."""
        return str(self._call("POST", "/jobs", submission)["job_id"])

    def job(self, job_id: str) -> Mapping[str, Any]:
        """See `CanaryPath.job`."""
        found = self._call("GET", f"/jobs/{job_id}")
        if url := found.get("result_url"):
            answer = requests.get(url, timeout=_TIMEOUT_S, verify=self.trusted)
            answer.raise_for_status()
            found["result"] = answer.json()
        return found

    def cancel(self, job_id: str) -> None:
        """See `CanaryPath.cancel`."""
        self._call("POST", f"/jobs/{job_id}/cancel")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        event = canary_event(method, path, body, self.prompts, self.clock.now())
        answer = invoke(self.versions, "api", event, self.clock)
        if answer.error:
            raise ReleaseError(f"The API function failed at {method} {path}: {answer.error}", answer.log)
        said = json.loads(answer.payload.get("body") or "{}")
        if answer.payload["statusCode"] not in _OK:
            raise ReleaseError(
                f"The API refused {method} {path} of a canary: {said.get('detail') or said}",
                [f"{each['field']}: {each['message']}" for each in said.get("errors", ())],
            )
        found: dict[str, Any] = said
        return found


@dataclass(frozen=True)
class IntoTheTable:
    """The way of a backend that uses the library in process, for a stack without an API.

    The code of the analyses is not imported. `environment` is the module's output `backend_environment`.
    """

    environment: Mapping[str, str]
    canary_queue_url: str
    clients: Clients
    clock: Clock
    prompts: Mapping[str, int] = field(default_factory=dict)

    def upload(self, file: Path) -> str:
        """See `CanaryPath.upload`."""
        document = f"{new_id(self.clock.now())}/{safe_filename(file.name)}"
        key = upload_key(CANARY_TENANT, document)
        self._submissions([]).artifacts.write(key, file.read_bytes(), _content_type(file))
        return document

    def submit(self, submission: Mapping[str, Any]) -> str:
        """See `CanaryPath.submit`. Analyses with tiers get none: their order says nothing about one job."""
        given = {name: value for name, value in submission.items() if name != "trigger"}
        service = self._submissions([UndeclaredAnalysis(submission["analysis"])])
        result = service.submit_with_outcome(
            CANARY_TENANT, Submission.model_validate(given), canary=CanaryRun(self.prompts)
        )
        if result.job is None:
            raise ReleaseError(f"The canary of {submission['analysis']} was not admitted: {result.reason}")
        return result.job.job_id

    def job(self, job_id: str) -> Mapping[str, Any]:
        """See `CanaryPath.job`."""
        service = self._submissions([])
        found = service.store.get(JobKey(CANARY_TENANT, job_id))
        if found is None:
            raise ReleaseError(f"The canary {job_id} is not in the table any more.")
        return detail(found, service.artifacts)

    def cancel(self, job_id: str) -> None:
        """See `CanaryPath.cancel`."""
        service = self._submissions([])
        control = JobControl(
            service.store, service.queue, service.artifacts, service.analyses, service.settings, self.clock
        )
        control.cancel(JobKey(CANARY_TENANT, job_id))

    @cached_property
    def _settings(self) -> settings.Settings:
        variables = {name.removeprefix(_PREFIX): value for name, value in self.environment.items()}
        return settings.from_environment({**variables, "CANARY_QUEUE_URL": self.canary_queue_url})

    def _submissions(self, names: list[UndeclaredAnalysis]) -> SubmissionService:
        analyses = Analyses([each.declaration() for each in names])
        return wiring.submissions(self._settings, analyses, _Session(self.clients), self.clock)


@dataclass(frozen=True)
class _Session:
    """The part of a boto3 session that the wiring uses."""

    clients: Clients

    def client(self, service: str, config: Any = None) -> Any:  # noqa: ANN401, ARG002 - boto3's signature
        return self.clients(service)


def canary_event(
    method: str, path: str, body: Mapping[str, Any] | None, prompts: Mapping[str, int], now: datetime
) -> dict[str, Any]:
    """Return the event of a canary's request: that of an HTTP API (payload format 2.0), with the mark of a canary."""
    text = None if body is None else json.dumps(body)
    request_id = hashlib.sha256(f"{now}{method}{path}{text}".encode()).hexdigest()[:32]
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            CANARY_MARK: {"prompts": dict(prompts)},
            "domainName": "canary",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "",
                "userAgent": "analysis-jobs",
            },
            "requestId": request_id,
            "stage": "$default",
            "time": rfc3339(now),
            "timeEpoch": to_ms(now),
        },
        "body": text,
        "isBase64Encoded": False,
    }


def _content_type(file: Path) -> str:
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"
