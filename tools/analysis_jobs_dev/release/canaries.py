"""Runs the canaries of a package on the newest version, and compares their results with what they expect."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from analysis_jobs.authoring.canary import input_with, unmet
from analysis_jobs.base.clock import Clock, to_ms
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.paths import CanaryPath

_PAUSE = timedelta(seconds=1)
# After its cancel, a worker needs up to one heartbeat to stop.
_CANCEL_GRACE = timedelta(seconds=60)
_LOG_LINES = 20


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
    """Runs canaries. `documents` is the folder of the project. `logs` is a client of CloudWatch Logs."""

    path: CanaryPath
    documents: Path
    clock: Clock
    logs: Any
    worker: str

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
                with suppress(Exception):  # their time limit ends them too
                    self.path.cancel(each.job_id)
        return results

    def _submit(self, analysis: str, canary: Mapping[str, Any]) -> _Running:
        uploaded = {where: self._upload(path) for where, path in canary["documents"].items()}
        body = {"analysis": analysis, "input": input_with(canary["input"], uploaded)}
        body |= {name: canary[name] for name in ("subject", "trigger") if canary[name] is not None}
        return _Running(analysis, canary, self.path.submit(body), self.clock.now())

    def _look(self, running: _Running, code_version: str) -> CanaryResult | None:
        """Return the result of a canary that has ended. Cancel one that takes too long or costs too much."""
        job, now = self.path.job(running.job_id), self.clock.now()
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
                self.path.cancel(running.job_id)
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
        found = unmet(running.canary["expect"], job["result"])
        return ("its result is not what it expects" if found else ""), list(map(str, found))

    def _upload(self, path: str) -> str:
        file = self.documents / path
        if not file.is_file():
            raise ReleaseError(
                f"There is no {file}, which a canary of the package needs: deploy from the project's folder."
            )
        return self.path.upload(file)

    def _log(self, running: _Running) -> list[str]:
        """Return the last lines of the worker's log about a job. Empty if they cannot be read."""
        try:
            found = self.logs.filter_log_events(
                logGroupName=f"/aws/lambda/{self.worker}",
                filterPattern=f'"{running.job_id}"',
                startTime=to_ms(running.since - timedelta(minutes=1)),
            )
        except Exception as error:  # noqa: BLE001 - the report is better without the lines than not at all
            return [f"(the worker's log could not be read: {error})"]
        return [f"log: {event['message'].strip()}" for event in found["events"]][-_LOG_LINES:]
