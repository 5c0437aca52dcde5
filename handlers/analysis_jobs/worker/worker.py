"""A worker's turn: claim a job under a lease, run its stages under a heartbeat, end it with one fenced write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import CancelAsked, Fail, OutOfTime, Stopped
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.secrets import Secrets, no_secrets
from analysis_jobs.base.settings import Settings
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.ports import ArtifactStore, JobQueue, JobStore, Landed, Refused
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, Payload, ending
from analysis_jobs.jobs.tiers import Turn
from analysis_jobs.jobs.timing import measure_processing, measure_wait
from analysis_jobs.jobs.transitions import BEAT, COMPLETE, CONTINUE, DEFER, FAIL, RELEASE, STOP, Transition
from analysis_jobs.llm.model import Model
from analysis_jobs.prompts import PromptStore
from analysis_jobs.worker.attempt import Attempt, Ports
from analysis_jobs.worker.batch import KeepMessage
from analysis_jobs.worker.claims import Claims
from analysis_jobs.worker.heartbeat import Heartbeat
from analysis_jobs.worker.retry_policy import Action, Decision, backoff, decide

# The message comes back a little after the lease has run out: then the claim finds it expired.
_VISIBILITY_MARGIN = timedelta(seconds=2)
# Two machines' clocks differ a little: a message that is this early is not too early.
_CLOCK_TOLERANCE = timedelta(seconds=1)


class NoTimeLeft(Exception):  # noqa: N818 - nobody's fault
    """The invocation is about to end: the message comes back, and no attempt is spent."""


@dataclass(frozen=True)
class Message:
    """A received pointer to a job; with a `turn` it stands for the best job that waits in its lane."""

    job: JobKey
    queue_arn: str
    receipt_handle: str
    turn: Turn | None = None

    @classmethod
    def parse(cls, body: str, queue_arn: str, receipt_handle: str) -> Self:
        """Read a message's body. Raises `ValueError` where it is not one of ours."""
        try:
            pointer = json.loads(body)
            named, turn = (pointer["tenant"], pointer["job_id"]), Turn.parse(pointer)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a job message ({error!r}): {body[:200]!r}") from error
        match named:
            case str(tenant), str(job_id):
                return cls(JobKey(tenant, job_id), queue_arn, receipt_handle, turn)
        raise ValueError(f"not a job message (tenant and job_id are texts): {body[:200]!r}")


class WaitsInPlace(KeepMessage):
    """A job in an order waits before the later ones of its subject: its message is not acknowledged, but hidden."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(str(delay))
        self.delay = delay


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
    secrets: Secrets = field(default_factory=no_secrets)
    documents: DocumentReader = field(default_factory=DocumentReader)

    def handle(self, message: Message, stop_at: datetime | None = None) -> None:
        """Do what the message asks for, until `stop_at` at the latest; returning acknowledges it.

        Raises `UnknownJob`, `NoTimeLeft` and the stores' errors: then the message comes back, and ends in the
        dead-letter queue.
        """
        if stop_at is not None and self.clock.now() >= stop_at:
            raise NoTimeLeft(message.job.job_id)
        claimed = Claims(self.store, self.settings, self.clock).take(message.job, message.turn)
        if claimed is None:
            return
        measure_wait(claimed)
        self._show_again_after_the_lease(message)
        try:
            self._work_on(claimed, message, stop_at)
        except WaitsInPlace as wait:
            self._show_again(message, wait.delay)
            raise

    def _work_on(self, claimed: JobRecord, message: Message, stop_at: datetime | None) -> None:
        ports = Ports(self.artifacts, self.prompts, self.model, self.settings, self.secrets, self.documents)
        attempt = Attempt(claimed, ports, lambda changes: self._hold(claimed, changes))
        try:
            outcome = self._run(message, claimed, attempt, stop_at)
        except CancelAsked:
            self._stop(claimed, attempt)
        except OutOfTime as why:
            self._out_of_time(claimed, attempt, str(why))
        except Stopped:
            log("job.stopped", "the lease was lost: another worker has the job", **claimed.names)
        else:
            self._finish(claimed, attempt, outcome)

    def _run(
        self, message: Message, claimed: JobRecord, attempt: Attempt, stop_at: datetime | None
    ) -> Payload | Decision:
        """Return the result, or what to do about the error. When it returns, the heartbeat is over."""

        def beat() -> datetime | None:
            return self._beat(message, claimed, attempt)

        lease_until = claimed.lease_until or self.clock.now()
        with Heartbeat(beat, self.settings.heartbeat, lease_until, self.clock, stop_at) as heart:
            try:
                return attempt.run(self._analysis(claimed), heart)
            except Exception as error:  # noqa: BLE001 - every error of a job ends in a decision about it
                decision = decide(error)
                log("job.error", decision.message, error=error, code=decision.code, **claimed.names)
                return decision
            finally:
                attempt.measure_spending()

    def _analysis(self, claimed: JobRecord) -> Analysis[Any, Any]:
        analysis = self.analyses.get(claimed.analysis)
        if analysis is None:
            raise Fail("analysis_unknown", f"the deployed code has no analysis {claimed.analysis!r}")
        return analysis

    def _hold(self, claimed: JobRecord, changes: Mapping[str, Any]) -> JobRecord:
        """Write changes while holding the job. Raises `Stopped` where it is not held, or wanted, any longer."""
        outcome = self.store.transition(claimed.key, BEAT, Changes(changes), now=self.clock.now(), read=claimed)
        if not isinstance(outcome, Landed):
            raise Stopped("the lease is lost")
        if outcome.job.cancel_asked_at is not None:
            raise CancelAsked("a caller asked for it")
        return outcome.job

    def _beat(self, message: Message, claimed: JobRecord, attempt: Attempt) -> datetime:
        until = self.clock.now() + self.settings.lease
        self._hold(claimed, {"lease_until": until, **attempt.beat()})
        # After the lease, and longer: the message must not come back while the lease is ours.
        self._show_again_after_the_lease(message)
        return until

    def _show_again_after_the_lease(self, message: Message) -> None:
        self._show_again(message, self.settings.lease + _VISIBILITY_MARGIN)

    def _show_again(self, message: Message, visibility: timedelta) -> None:
        try:
            self.queue.extend(message.queue_arn, message.receipt_handle, visibility)
        except Exception as error:  # noqa: BLE001 - the lease decides: a message may be early, late, or deleted already
            log("message.not_extended", "the message keeps its time", error=error, job_id=message.job.job_id)

    def _finish(self, claimed: JobRecord, attempt: Attempt, outcome: Payload | Decision) -> None:
        if isinstance(outcome, Decision):
            self._after_error(claimed, attempt, self._second_timeout_is_final(claimed, attempt, outcome))
            return
        completed = attempt.completed
        done = {"result": outcome, "progress": 100, "failure": None, "stage": None, "stages_completed": completed}
        self._end(claimed, COMPLETE, {**done, **attempt.changes()})

    def _second_timeout_is_final(self, claimed: JobRecord, attempt: Attempt, decision: Decision) -> Decision:
        """Return the decision; that a stage which timed out before on this input is not tried a third time."""
        if not decision.timed_out or _timeouts(claimed, attempt) == 0:
            return decision
        message = f"{attempt.stage} timed out twice on the same input: {decision.message}"
        return Decision(Action.NEVER, decision.code, message)

    def _after_error(self, claimed: JobRecord, attempt: Attempt, decision: Decision) -> None:
        spent = claimed.attempt >= claimed.max_attempts
        if decision.action is Action.NEVER or (decision.action is Action.RETRY and spent):
            failure = JobFailure(decision.code, decision.message, retryable=decision.action is not Action.NEVER)
            self._end(claimed, FAIL, {"failure": failure, **attempt.changes()})
            return
        wanted = decision.after if decision.after is not None else backoff(claimed.fence)
        changes: dict[str, Any] = {"failure": decision.failure}
        if decision.timed_out:
            changes["timeouts"] = {**claimed.timeouts, attempt.stage: _timeouts(claimed, attempt) + 1}
        transition = DEFER if decision.action is Action.DEFER else RELEASE
        self._put_back(claimed, attempt, transition, wanted, changes)

    def _out_of_time(self, claimed: JobRecord, attempt: Attempt, why: str) -> None:
        if attempt.gained:
            self._put_back(claimed, attempt, CONTINUE, timedelta(), {})
            return
        message = f"{attempt.stage} did not finish within an invocation ({why}): make it smaller, or save partial work"
        decision = Decision(Action.RETRY, "stage_timeout", message, after=timedelta(), timed_out=True)
        self._after_error(claimed, attempt, self._second_timeout_is_final(claimed, attempt, decision))

    def _stop(self, claimed: JobRecord, attempt: Attempt) -> None:
        self._end(claimed, STOP, attempt.changes())

    def _put_back(
        self,
        claimed: JobRecord,
        attempt: Attempt,
        transition: Transition,
        wanted: timedelta,
        changes: Mapping[str, Any],
    ) -> None:
        now = self.clock.now()
        delay = max(timedelta(), min(wanted, claimed.deadline - now))
        # What the queue cannot hold back for so long is sent by the sweeper, when its time has come.
        in_place = claimed.rank is None and self.queue.in_order(claimed.lane)
        sent = in_place or self.queue.holds_back(claimed.lane, delay)
        due_at = now + delay + (self.settings.lease if sent else timedelta())
        waiting = {
            "due_at": min(due_at, claimed.deadline),
            "not_before": now + delay - _CLOCK_TOLERANCE,
            "lease_until": None,
            # A job that must wait is in no order: the message that is held back brings it there.
            "waiting": claimed.place if delay <= _CLOCK_TOLERANCE else None,
        }
        outcome = self._write(claimed, transition, {**waiting, **changes, **attempt.changes()})
        if isinstance(outcome, Landed):
            count("JobsRequeued")
            if in_place:
                raise WaitsInPlace(delay)
            # The new message first, the old one is acknowledged by returning; a crash between leaves a job that is due.
            if sent:
                dedupe = f"{claimed.job_id}-{claimed.fence}"
                self.queue.send(claimed.lane, claimed.key, dedupe=dedupe, delay=delay, rank=claimed.rank)
        elif outcome.job and outcome.job.cancel_asked_at is not None and outcome.job.fence == claimed.fence:
            self._stop(claimed, attempt)

    def _end(self, claimed: JobRecord, transition: Transition, changes: Mapping[str, Any]) -> None:
        ended = ending(self.clock.now(), self.settings.job_retention)
        outcome = self._write(claimed, transition, {**ended, **changes})
        if isinstance(outcome, Landed):
            count(_COUNTERS[transition.name])
            measure_processing(outcome.job)

    def _write(self, claimed: JobRecord, transition: Transition, changes: Mapping[str, Any]) -> Landed | Refused:
        outcome = self.store.transition(claimed.key, transition, Changes(changes), now=self.clock.now(), read=claimed)
        if outcome.job and _was_ours(outcome.job, claimed, transition):
            # The reply was lost, and the client sent the write again: refused, and it had landed all the same.
            outcome = Landed(outcome.job)
        landed = isinstance(outcome, Landed)
        event = f"job.{transition.name}" if landed else "job.stale_write"
        message = f"the job is {transition.target}" if landed else f"{transition.name} did not land"
        failure = changes.get("failure")
        log(event, message, code=failure.code if failure else None, **(outcome.job or claimed).names)
        return outcome


_COUNTERS = {"complete": "JobsCompleted", "fail": "JobsFailed", "stop": "JobsCancelled"}


def _timeouts(claimed: JobRecord, attempt: Attempt) -> int:
    """Return how often the stage ran out of time before, on what is left of its work."""
    return 0 if attempt.gained else claimed.timeouts.get(attempt.stage, 0)


def _was_ours(job: JobRecord, claimed: JobRecord, transition: Transition) -> bool:
    """Tell whether a job is where this holder's `transition` led it; the sweeper's ways have other names."""
    return job.fence == claimed.fence and bool(job.history) and job.history[-1].transition == transition.name
