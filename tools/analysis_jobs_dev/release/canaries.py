"""Runs the canaries of a package on the newest version: through the API function, the queue and the worker.

The API function is invoked directly, with an event that marks the job as a canary. Only who may invoke the function can
do that. The job has a tenant and a lane of its own.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from analysis_jobs.api.callers import CANARY_MARK
from analysis_jobs.authoring.canary import input_with, unmet
from analysis_jobs.base.clock import Clock, rfc3339, to_ms
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.probe import invoke
from analysis_jobs_dev.release.stack import Clients
from analysis_jobs_dev.release.versions import Versions

_PAUSE = timedelta(seconds=1)
# After its cancel, a worker needs up to one heartbeat to stop.
_CANCEL_GRACE = timedelta(seconds=60)
_UPLOAD_TIMEOUT_S = 120
_LOG_LINES = 20
_OK = range(200, 300)


@dataclass(frozen=True)
class CanaryResult:
    """How a canary ended. `failure` is empty if it met all expectations; `details` are further lines."""

    analysis: str
    name: str
    job_id: str
    seconds: float
    cost_usd: float | None
    failure: str = ""
    details: Sequence[str] = ()


@dataclass
class _Running:
    """A submitted canary. `stopped` says why it was cancelled, and `stopped_at` when."""

    analysis: str
    canary: Mapping[str, Any]
    job_id: str
    since: datetime
    stopped: str = ""
    stopped_at: datetime | None = None


@dataclass(frozen=True)
class Canaries:
    """Runs canaries. `documents` is the folder of the project, `prompts` the versions of prompts that they use.

    `trusted` is the file of the certificates that S3 is trusted by, or True for the usual ones.
    """

    versions: Versions
    clients: Clients
    documents: Path
    clock: Clock
    prompts: Mapping[str, int] = field(default_factory=dict)
    trusted: str | bool = True

    def run(self, manifest: Mapping[str, Any], analyses: Sequence[str] | None = None) -> list[CanaryResult]:
        """Run the canaries of a package at the same time, and return how each ended.

        `analyses` are the modules that the stack loads; None means all. Raises `ReleaseError` if one cannot be
        submitted.
        """
        running = [
            self._submit(analysis["name"], canary)
            for analysis in manifest["declarations"]["analyses"]
            if analyses is None or analysis["module"] in analyses
            for canary in analysis.get("canaries", ())
        ]
        results: list[CanaryResult] = []
        try:
            while running:
                for each in list(running):
                    if result := self._look(each, manifest["version"]):
                        results.append(result)
                        running.remove(each)
                if running:
                    self.clock.sleep(_PAUSE)
        finally:
            for each in running:  # this process is being stopped
                self._call("POST", f"/jobs/{each.job_id}/cancel")
        return results

    def _submit(self, analysis: str, canary: Mapping[str, Any]) -> _Running:
        uploaded = {where: self._upload(path) for where, path in canary["documents"].items()}
        body = {"analysis": analysis, "input": input_with(canary["input"], uploaded)}
        body |= {name: canary[name] for name in ("subject", "trigger") if canary[name] is not None}
        accepted = self._call("POST", "/jobs", body)
        return _Running(analysis, canary, accepted["job_id"], self.clock.now())

    def _look(self, running: _Running, code_version: str) -> CanaryResult | None:
        """Return the result of a canary that has ended. Cancel one that takes too long or costs too much."""
        job, now = self._call("GET", f"/jobs/{running.job_id}"), self.clock.now()
        cost = job["cost_usd"]
        if job["status"] in {"completed", "failed", "cancelled"}:
            failure, details = self._judge(running, job, code_version)
            seconds = (now - running.since).total_seconds()
            details = [*details, *(self._log(running) if failure else ())]
            return CanaryResult(
                running.analysis, running.canary["name"], running.job_id, seconds, cost, failure, details
            )
        if not running.stopped:
            running.stopped = self._reason_to_stop(running, cost, now)
            if running.stopped:
                running.stopped_at = now
                self._call("POST", f"/jobs/{running.job_id}/cancel")
        elif running.stopped_at and now - running.stopped_at > _CANCEL_GRACE:
            seconds = (now - running.since).total_seconds()
            details = [f"it is still {job['status']} after its cancel", *self._log(running)]
            return CanaryResult(
                running.analysis, running.canary["name"], running.job_id, seconds, cost, running.stopped, details
            )
        return None

    def _reason_to_stop(self, running: _Running, cost: float | None, now: datetime) -> str:
        limit = timedelta(seconds=running.canary["time_limit_s"])
        if now - running.since > limit:
            return f"it did not end within its time limit of {limit.total_seconds():g} s"
        return self._too_expensive(running.canary, cost)

    @staticmethod
    def _too_expensive(canary: Mapping[str, Any], cost: float | None) -> str:
        most = canary["max_cost_usd"]
        return f"it cost {cost:.4f} USD, and at most {most:g} USD are allowed" if cost and cost > most else ""

    def _judge(self, running: _Running, job: Mapping[str, Any], code_version: str) -> tuple[str, list[str]]:
        """Return why a job that has ended is not what was expected, and further lines."""
        if running.stopped:
            return running.stopped, []
        if job["status"] != "completed":
            error = job["error"] or {}
            return f"it {job['status']}: {error.get('code', '')}: {error.get('message', 'without a reason')}", []
        if job["code_version"] != code_version:
            return f"the code {job['code_version']} ran it, and the package is {code_version}", []
        if job["cost_usd"] is None:
            return "its cost is unknown: add the price of its model to model_prices of the module", []
        if expensive := self._too_expensive(running.canary, job["cost_usd"]):
            return expensive, []
        found = unmet(running.canary["expect"], self._result_of(job))
        return ("its result is not what it expects" if found else ""), list(map(str, found))

    def _result_of(self, job: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        if url := job.get("result_url"):
            answer = requests.get(url, timeout=_UPLOAD_TIMEOUT_S, verify=self.trusted)
            answer.raise_for_status()
            return answer.json()
        return job["result"]

    def _upload(self, path: str) -> str:
        file = self.documents / path
        if not file.is_file():
            raise ReleaseError(
                f"There is no {file}, which a canary of the package needs: deploy from the project's folder."
            )
        content = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        form = self._call("POST", "/uploads", {"filename": file.name, "content_type": kind, "size": len(content)})
        answer = requests.post(
            form["upload"]["url"],
            data=form["upload"]["fields"],
            files={"file": (file.name, content, kind)},
            timeout=_UPLOAD_TIMEOUT_S,
            verify=self.trusted,
        )
        if answer.status_code not in _OK:
            raise ReleaseError(f"S3 refused the upload of {path}: {answer.status_code} {answer.text[:500]}")
        return str(form["document"])

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the newest version of the API function as a canary. Raises `ReleaseError` unless it succeeds."""
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

    def _log(self, running: _Running) -> list[str]:
        """Return the last lines of the worker's log about a job. Empty if they cannot be read."""
        try:
            found = self.clients("logs").filter_log_events(
                logGroupName=f"/aws/lambda/{self.versions.functions['worker']}",
                filterPattern=f'"{running.job_id}"',
                startTime=to_ms(running.since - timedelta(minutes=1)),
            )
        except Exception as error:  # noqa: BLE001 - the report is better without the lines than not at all
            return [f"(the worker's log could not be read: {error})"]
        return [f"log: {event['message'].strip()}" for event in found["events"]][-_LOG_LINES:]


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
