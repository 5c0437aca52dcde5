"""The path of one message: claim a job, run its stages under a heartbeat, end the attempt with one fenced write."""

from collections.abc import Callable
from datetime import datetime

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.errors import CancelAsked, OutOfTime, Stopped
from analysis_jobs.base.observability import log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.canaries import uncounted
from analysis_jobs.jobs.ports import JobQueue, JobStore, MessageSource
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.timing import record_wait_time
from analysis_jobs.jobs.traces import processing
from analysis_jobs.worker.attempt import Attempt
from analysis_jobs.worker.claimed_job import ClaimedJob
from analysis_jobs.worker.claims import Claims
from analysis_jobs.worker.heartbeat import Heartbeat
from analysis_jobs.worker.invocation import ALONE, Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.outcome import Cancelled, LeaseLost, Outcome, TimeIsUp
from analysis_jobs.worker.retry_policy import decide
from analysis_jobs.worker.slots import KeepMessage
from analysis_jobs.worker.traced import describe_end


class NoTimeLeft(Exception):  # noqa: N818 - not an error of the job
    """The invocation is about to end. The message comes back, and no attempt is spent."""


def _ignore(record: JobRecord, error: Exception) -> None:
    """Do nothing about an error. The log has its class and place."""


@dataclass(frozen=True)
class Worker:
    """Runs one job for each message.

    `on_error` gets every error of an attempt before it is turned into a decision. The test kit keeps them: the row and
    the log have no messages of unknown errors. `source` receives further messages while an invocation lasts.
    """

    store: JobStore
    queue: JobQueue
    analyses: Analyses
    services: Services
    clock: Clock
    on_error: Callable[[JobRecord, Exception], None] = _ignore
    source: MessageSource | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the function."""
        return self.services.settings

    def handle(self, message: Message, stop_at: datetime | None = None, invocation: Invocation = ALONE) -> None:
        """Run the job of a message, until `stop_at` at the latest. Returning acknowledges the message.

        Raises `NoTimeLeft`, `UnknownJob`, `KeepMessage` and the stores' errors. Then the message comes back. If that
        happens too often, it ends in the dead-letter queue.
        """
        with uncounted(message.job.tenant):
            self._handle(message, stop_at, invocation)

    def _handle(self, message: Message, stop_at: datetime | None, invocation: Invocation) -> None:
        if stop_at is not None and self.clock.now() >= stop_at:
            raise NoTimeLeft(message.job.job_id)
        claims = Claims(self.store, self.queue, self.settings, self.clock, invocation.shared)
        # The invocation was reserved for the message's own job.
        record = claims.claim_for_message(message.job, None if message.alone else message.tier_pointer)
        if record is None:
            return
        record_wait_time(record, deployed=record.analysis in self.analyses)
        claimed = ClaimedJob(record, message, self.store, self.queue, self.settings, self.clock, invocation)
        with processing(record, message.queue_arn, ignoring=(KeepMessage,)) as span:
            try:
                claimed.hide_message()
                attempt = Attempt(claimed, self.services)
                outcome = self._run(attempt, stop_at)
            finally:
                claimed.release_message()
            ending = attempt.ending(outcome)
            describe_end(span, ending)
            claimed.end(ending)

    def _run(self, attempt: Attempt, stop_at: datetime | None) -> Outcome:
        """Run the stages under a heartbeat. When it returns, the heartbeat is over."""
        record = attempt.claimed.record
        lease_until = record.lease_until or self.clock.now()
        try:
            with Heartbeat(
                attempt.beat,
                self.settings.heartbeat,
                lease_until,
                self.clock,
                stop_at,
                beats_from=attempt.claimed.invocation.beats_from,
            ) as heartbeat:
                return attempt.run(self.analyses, heartbeat)
        except CancelAsked:
            return Cancelled()
        except OutOfTime as why:
            return TimeIsUp(str(why))
        except Stopped:
            return LeaseLost()
        except Exception as error:  # noqa: BLE001 - every error of a job ends in a decision about it
            self.on_error(record, error)
            decision = decide(error)
            log("job.error", "the attempt failed", error=error, code=safe_code(decision.code), **record.log_fields)
            return decision
        finally:
            attempt.report.spending.measure()
