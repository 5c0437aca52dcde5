"""A job that this worker holds under a lease. Every write of an attempt goes through it, under the fencing token."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.errors import CancelAsked, Stopped
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs import dispatch
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobQueue, JobStore
from analysis_jobs.jobs.record import Changes, JobFailure, JobRecord, ending
from analysis_jobs.jobs.timing import record_processing_time
from analysis_jobs.jobs.transitions import BEAT, COMPLETE, CONTINUE, DEFER, FAIL, RELEASE, STOP, Transition
from analysis_jobs.worker.invocation import ALONE, Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.outcome import Cancelled, Completed, Ending, LeaseLost, TimeIsUp
from analysis_jobs.worker.retry_policy import Action, Decision, backoff, final_timeout, out_of_time
from analysis_jobs.worker.slots import KeepMessage

# The message becomes visible a little after the lease has expired: then a claim can take the job.
_VISIBILITY_MARGIN = timedelta(seconds=2)
# The clocks of two machines differ a little: a message that comes this early is accepted.
_CLOCK_TOLERANCE = timedelta(seconds=1)
# Among the timeouts of a job, which have names of stages: it was given back an attempt that began late.
_CUT_SHORT = "began late"
_COUNTERS = {"complete": "JobsCompleted", "fail": "JobsFailed", "stop": "JobsCancelled"}


@dataclass(frozen=True)
class ClaimedJob:
    """Holds a job, renews its lease, and ends the attempt with one fenced write. `record` is the row as claimed."""

    record: JobRecord
    message: Message
    store: JobStore
    queue: JobQueue
    settings: Settings
    clock: Clock
    invocation: Invocation = ALONE

    # Hold

    def hold(self, changes: Mapping[str, Any]) -> JobRecord:
        """Write changes while holding the job.

        Removes the mark of the claim. The filter of the table's stream drops the records of rows that are processing
        and have no mark: so heartbeats do not invoke the events function.

        Raises `Stopped` if the lease is lost, and `CancelAsked` if a caller asked for the job to be cancelled.
        """
        unmarked = Changes({**changes, "claimant": None})
        written = self.store.transition(self.record.key, BEAT, unmarked, now=self.clock.now(), read=self.record)
        if not isinstance(written, Applied):
            raise Stopped("the lease is lost")
        if written.job.cancel_asked_at is not None:
            raise CancelAsked("a caller asked for it")
        return written.job

    def beat(self, changes: Mapping[str, Any]) -> datetime:
        """Renew the lease and the message's visibility; return the new end of the lease. Raises as `hold` does."""
        until = self.clock.now() + self.settings.lease
        self.hold({"lease_until": until, **changes})
        self.hide_message()
        return until

    def hide_message(self) -> None:
        """Keep the message invisible until after the lease: it must not come back while the job is held."""
        visibility = self.settings.lease + _VISIBILITY_MARGIN
        if self.invocation.visibility:
            self.invocation.visibility.renew(self.message.queue_arn, self.message.receipt_handle, visibility)
        else:
            self._show_message_after(visibility)

    def release_message(self) -> None:
        """Leave the message as it is from now on, also when the other jobs of the invocation renew theirs."""
        if self.invocation.visibility:
            self.invocation.visibility.release(self.message.receipt_handle)

    def _show_message_after(self, visibility: timedelta) -> None:
        try:
            self.queue.extend(self.message.queue_arn, self.message.receipt_handle, visibility)
        except Exception as error:  # noqa: BLE001 - the lease decides: an early, late or deleted message is harmless
            log("message.not_extended", "the visibility timeout stays", error=error, job_id=self.record.job_id)

    # End

    def end(self, attempt: Ending) -> None:
        """Write how the attempt ended. Returning acknowledges the message.

        Raises `KeepMessage` if the job waits in its FIFO queue, before the later jobs of its subject.
        """
        match attempt.outcome:
            case Completed() as done:
                self._complete(done, attempt)
            case Decision() as decision:
                self._after_error(decision, attempt)
            case Cancelled():
                self._end_job(STOP, attempt.changes)
            case TimeIsUp() if attempt.gained:
                self._put_back(CONTINUE, timedelta(), {}, attempt)
            case TimeIsUp() if self.invocation.late and _CUT_SHORT not in self.record.timeouts:
                # It began late, and a whole invocation may be enough. This happens once for each run of the job.
                timeouts = {**self.record.timeouts, _CUT_SHORT: 1}
                self._put_back(DEFER, timedelta(), {"timeouts": timeouts}, attempt)
            case TimeIsUp() as over:
                self._after_error(out_of_time(attempt.stage, over.why), attempt)
            case LeaseLost():
                log("job.stopped", "the lease was lost: another worker has the job", **self.record.log_fields)

    def _complete(self, done: Completed, attempt: Ending) -> None:
        changes = {"result": done.result, "progress": 100, "failure": None, "stage": None}
        self._end_job(COMPLETE, {**changes, "stages_completed": done.stages, **attempt.changes})

    def _after_error(self, error: Decision, attempt: Ending) -> None:
        """Fail the job, or put it back for another attempt."""
        # A timeout counts against what is left of the stage: after a checkpoint less is left.
        timeouts = 0 if attempt.gained else self.record.timeouts.get(attempt.stage, 0)
        decision = final_timeout(error, attempt.stage) if error.timed_out and timeouts else error
        spent = self.record.attempt >= self.record.max_attempts
        if decision.action is Action.FAIL or (decision.action is Action.RETRY and spent):
            failure = JobFailure(decision.code, decision.message, retryable=decision.action is not Action.FAIL)
            self._end_job(FAIL, {"failure": failure, **attempt.changes})
            return
        changes: dict[str, Any] = {"failure": decision.failure}
        if decision.timed_out:
            changes["timeouts"] = {**self.record.timeouts, attempt.stage: timeouts + 1}
        delay = decision.after if decision.after is not None else backoff(self.record.fence)
        self._put_back(DEFER if decision.action is Action.DEFER else RELEASE, delay, changes, attempt)

    def _put_back(self, transition: Transition, wanted: timedelta, changes: Mapping[str, Any], attempt: Ending) -> None:
        """Queue the job again after a delay: in its place on a FIFO queue, else with a new message."""
        record, now = self.record, self.clock.now()
        delay = max(timedelta(), min(wanted, record.deadline - now))
        in_place = record.tier_rank is None and self.queue.is_fifo(record.priority)
        # If the queue cannot delay a message for so long, the sweeper sends it when the time has come.
        sends_itself = in_place or self.queue.can_delay(record.priority, delay)
        due_at = now + delay + (self.settings.lease if sends_itself else timedelta())
        queued_again = {
            "due_at": min(due_at, record.deadline),
            "not_before": now + delay - _CLOCK_TOLERANCE,
            "lease_until": None,
            # A job that must wait leaves the order of its lane. Its delayed message brings it back.
            "lane_sort_key": record.sort_key_in_lane if delay <= _CLOCK_TOLERANCE else None,
        }
        written = self._write(transition, {**queued_again, **changes, **attempt.changes})
        if not isinstance(written, Applied):
            if written.job and written.job.cancel_asked_at is not None and written.job.fence == record.fence:
                self._end_job(STOP, attempt.changes)
            return
        count("JobsRequeued")
        if in_place:
            self._show_message_after(delay)
            raise KeepMessage(str(delay))
        if sends_itself:
            # Send the new message before returning acknowledges the old one. After a crash in between, the job is due.
            dispatch.send(self.queue, written.job, delay=delay)

    def _end_job(self, transition: Transition, changes: Mapping[str, Any]) -> None:
        ended = ending(self.clock.now(), self.settings.retention_of(self.record.tenant))
        written = self._write(transition, {**ended, **changes})
        if isinstance(written, Applied):
            count(_COUNTERS[transition.name])
            record_processing_time(written.job)

    def _write(self, transition: Transition, changes: Mapping[str, Any]) -> Applied | ConditionFailed:
        written = self.store.transition(
            self.record.key, transition, Changes(changes), now=self.clock.now(), read=self.record
        )
        if written.job and self._did_write(written.job, transition):
            # The first reply was lost and the client sent the write again: refused now, but it had been applied.
            written = Applied(written.job)
        applied = isinstance(written, Applied)
        failure = changes.get("failure")
        log(
            f"job.{transition.name}" if applied else "job.stale_write",
            f"the job is {transition.target}" if applied else f"{transition.name} was refused: the row changed",
            code=safe_code(failure.code) if failure else None,
            **(written.job or self.record).log_fields,
        )
        return written

    def _did_write(self, job: JobRecord, transition: Transition) -> bool:
        """Tell whether this worker's `transition` was the last one. The sweeper's transitions have other names."""
        return job.fence == self.record.fence and bool(job.history) and job.history[-1].transition == transition.name
