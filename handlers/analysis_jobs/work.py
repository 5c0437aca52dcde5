"""A worker's turn: claim a job under a lease, run its stages under a heartbeat, end it with one fenced write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from analysis_jobs.analysis import Analyses, Analysis
from analysis_jobs.clock import Clock
from analysis_jobs.decisions import Action, Decision, backoff, decide
from analysis_jobs.errors import Fail, Stopped
from analysis_jobs.heartbeat import Heartbeat
from analysis_jobs.job import Job, Workbench
from analysis_jobs.model import Model
from analysis_jobs.observability import count, log
from analysis_jobs.payloads import MAX_PAYLOAD_BYTES, load_json, store_json
from analysis_jobs.prompts import PromptStore
from analysis_jobs.record import Changes, JobFailure, JobKey, JobRecord, Payload
from analysis_jobs.settings import Settings
from analysis_jobs.stores.ports import ArtifactStore, JobQueue, JobStore, Landed, TooLarge
from analysis_jobs.transitions import BEAT, CLAIM, COMPLETE, DEFER, FAIL, RELEASE, Transition

# The message comes back a little after the lease has run out: then the claim finds it expired.
_VISIBILITY_MARGIN = timedelta(seconds=2)
# Two machines' clocks differ a little: a message that is this early is not too early.
_CLOCK_TOLERANCE = timedelta(seconds=1)


class UnknownJob(Exception):  # noqa: N818 - the message's fault
    """A message names a job that is not in the table: it stays in the queue, and goes to the dead letters untouched."""


@dataclass(frozen=True)
class Message:
    """A received pointer to a job."""

    job: JobKey
    queue_arn: str
    receipt_handle: str

    @classmethod
    def parse(cls, body: str, queue_arn: str, receipt_handle: str) -> Self:
        """Read a message's body. Raises `ValueError` where it is not one of ours."""
        try:
            pointer = json.loads(body)
            named = pointer["tenant"], pointer["job_id"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"not a job message ({error!r}): {body[:200]!r}") from error
        match named:
            case str(tenant), str(job_id):
                return cls(JobKey(tenant, job_id), queue_arn, receipt_handle)
        raise ValueError(f"not a job message (tenant and job_id are texts): {body[:200]!r}")


@dataclass(frozen=True)
class Worker:
    """Runs one job a message."""

    store: JobStore
    queue: JobQueue
    artifacts: ArtifactStore
    prompts: PromptStore
    model: Model
    analyses: Analyses
    settings: Settings
    clock: Clock

    def handle(self, message: Message) -> None:
        """Do what the message asks for; returning acknowledges it.

        Raises `UnknownJob` and the stores' errors: then the message comes back, and ends in the dead-letter queue.
        """
        claimed = self._claim(message.job)
        if claimed is None:
            return
        self._show_again_after_the_lease(message)
        try:
            self._attempt(message, claimed)
        except Stopped:
            log("job.stopped", "the lease was lost: another worker has the job", **_names(claimed))

    def _claim(self, key: JobKey) -> JobRecord | None:
        now = self.clock.now()
        until = now + self.settings.lease
        changes = {
            "lease_until": until,
            "due_at": until,
            "not_before": None,
            "code_version": self.settings.code_version,
        }
        outcome = self.store.transition(key, CLAIM, Changes(changes), now=now)
        if isinstance(outcome, Landed):
            log("job.claimed", "claimed", **_names(outcome.job))
            return outcome.job
        if outcome.job is None:
            raise UnknownJob(key.job_id)
        # A second delivery: the job has ended, or somebody works on it, or it must wait and its row is due when it need
        # not any longer. In each case this message has nothing to add.
        log(
            "job.delivered_again",
            f"nothing to do: the job is {outcome.job.status}",
            **_names(outcome.job),
        )
        return None

    def _attempt(self, message: Message, claimed: JobRecord) -> None:
        job: Job[Any] | None = None
        decision: Decision | None = None

        def beat() -> datetime | None:
            return self._beat(message, claimed, job)

        lease_until = claimed.lease_until or self.clock.now()
        with Heartbeat(beat, self.settings.heartbeat, lease_until, self.clock) as heart:
            try:
                analysis = self._analysis(claimed)
                job = self._job(analysis, claimed, heart)
                result = self._keep(claimed, analysis, self._run_stages(analysis, job, claimed))
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - every error of a job ends in a decision about it
                decision = decide(error)
                log("job.error", decision.failure.message, error=error, code=decision.code, **_names(claimed))
        # The heartbeat is over: nothing else writes to the row while it ends.
        if decision is None:
            names = tuple(stage.__name__ for stage in analysis.stages)
            done = {"result": result, "progress": 100, "failure": None, "stage": None, "stages_completed": names}
            self._end(claimed, COMPLETE, {**done, **_usage(job)})
        else:
            self._after_error(claimed, decision, job)

    def _analysis(self, claimed: JobRecord) -> Analysis[Any, Any]:
        analysis = self.analyses.get(claimed.analysis)
        if analysis is None:
            raise Fail("analysis_unknown", f"the deployed code has no analysis {claimed.analysis!r}")
        return analysis

    def _job(self, analysis: Analysis[Any, Any], claimed: JobRecord, heart: Heartbeat) -> Job[Any]:
        bench = Workbench(
            artifacts=self.artifacts,
            prompts=self.prompts,
            model=self.model,
            model_id=analysis.model_id or self.settings.model_id,
            max_document_bytes=self.settings.max_document_bytes,
            check=heart.check,
        )
        given = load_json(self.artifacts, claimed.input)
        try:
            request = analysis.request.model_validate(given)
        except ValidationError as error:
            # It was valid when it was submitted: the code has changed since.
            raise Fail("input_invalid", f"the deployed code refuses the job's input: {error}") from error
        return Job(claimed, request, bench)

    def _run_stages(self, analysis: Analysis[Any, Any], job: Job[Any], claimed: JobRecord) -> Any:
        done: list[str] = []
        output: BaseModel | Mapping[str, Any] = {}
        for stage in analysis.stages:
            self._enter_stage(claimed, stage.__name__, tuple(done))
            output = stage(job)
            job.keep_output(stage.__name__, output)
            done.append(stage.__name__)
        return output

    def _keep(self, claimed: JobRecord, analysis: Analysis[Any, Any], output: Any) -> Payload:
        try:
            result = output if isinstance(output, analysis.result) else analysis.result.model_validate(output)
            given = result.model_dump(mode="json")
            return store_json(self.artifacts, claimed, "result", given, self.settings.inline_bytes)
        except ValueError as error:  # of pydantic, or of JSON
            raise Fail("result_invalid", f"the analysis returned what cannot be its result: {error}") from error
        except TooLarge as error:
            message = f"the result has {error.size} bytes; at most {MAX_PAYLOAD_BYTES} are kept"
            raise Fail("result_too_large", message) from error

    def _enter_stage(self, claimed: JobRecord, stage: str, done: tuple[str, ...]) -> None:
        if not done and (stage, done) == (claimed.stage, claimed.stages_completed):
            return  # the row says so since the job was submitted: a request less for most jobs
        changes = Changes({"stage": stage, "stages_completed": done})
        outcome = self.store.transition(_key(claimed), BEAT, changes, now=self.clock.now(), read=claimed)
        if not isinstance(outcome, Landed):
            raise Stopped("the lease is lost")

    def _beat(self, message: Message, claimed: JobRecord, job: Job[Any] | None) -> datetime | None:
        now = self.clock.now()
        until = now + self.settings.lease
        progress = {"progress": job.percent, "usage": job.usage} if job else {}
        changes = Changes({"lease_until": until, **progress})
        outcome = self.store.transition(_key(claimed), BEAT, changes, now=now, read=claimed)
        if not isinstance(outcome, Landed):
            return None
        # After the lease, and longer: the message must not come back while the lease is ours.
        self._show_again_after_the_lease(message)
        return until

    def _show_again_after_the_lease(self, message: Message) -> None:
        visibility = self.settings.lease + _VISIBILITY_MARGIN
        try:
            self.queue.extend(message.queue_arn, message.receipt_handle, visibility)
        except Exception as error:  # noqa: BLE001 - the lease decides: a message may be early, late, or deleted already
            log("message.not_extended", "the message keeps its time", error=error, job_id=message.job.job_id)

    def _after_error(self, claimed: JobRecord, decision: Decision, job: Job[Any] | None) -> None:
        spent = claimed.attempt >= claimed.max_attempts
        if decision.action is Action.NEVER or (decision.action is Action.RETRY and spent):
            failure = JobFailure(decision.code, decision.message, retryable=decision.action is not Action.NEVER)
            self._end(claimed, FAIL, {"failure": failure, **_usage(job)})
            return
        now = self.clock.now()
        wanted = decision.after if decision.after is not None else backoff(claimed.fence)
        delay = max(timedelta(), min(wanted, claimed.deadline - now))
        # What the queue cannot hold back for so long is sent by the sweeper, when its time has come.
        sent = self.queue.holds_back(claimed.lane, delay)
        due_at = now + delay + (self.settings.lease if sent else timedelta())
        changes = {
            "due_at": min(due_at, claimed.deadline),
            "not_before": now + delay - _CLOCK_TOLERANCE,
            "lease_until": None,
            "failure": decision.failure,
            **_usage(job),
        }
        transition = DEFER if decision.action is Action.DEFER else RELEASE
        if self._write(claimed, transition, changes):
            # The new message first, the old one is acknowledged by returning; a crash between leaves a job that is due.
            if sent:
                self.queue.send(claimed.lane, _key(claimed), dedupe=f"{claimed.job_id}-{claimed.fence}", delay=delay)
            count("JobsRequeued")

    def _end(self, claimed: JobRecord, transition: Transition, changes: Mapping[str, Any]) -> None:
        now = self.clock.now()
        ended = {
            "finished_at": now,
            "expires_at": now + self.settings.job_retention,
            "due_at": None,
            "lease_until": None,
        }
        if self._write(claimed, transition, {**ended, **changes}):
            count("JobsCompleted" if transition is COMPLETE else "JobsFailed")

    def _write(self, claimed: JobRecord, transition: Transition, changes: Mapping[str, Any]) -> bool:
        outcome = self.store.transition(_key(claimed), transition, Changes(changes), now=self.clock.now(), read=claimed)
        landed = isinstance(outcome, Landed)
        event = f"job.{transition.name}" if landed else "job.stale_write"
        message = f"the job is {transition.target}" if landed else f"{transition.name} did not land: the lease was lost"
        log(event, message, **_names(outcome.job or claimed))
        return landed


def _key(job: JobRecord) -> JobKey:
    return JobKey(job.tenant, job.job_id)


def _usage(job: Job[Any] | None) -> dict[str, Any]:
    return {"usage": job.usage} if job else {}


def _names(job: JobRecord) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "tenant": job.tenant,
        "analysis": job.analysis,
        "attempt": job.attempt,
        "code_version": job.code_version,
    }
