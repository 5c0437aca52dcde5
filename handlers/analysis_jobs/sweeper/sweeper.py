"""Moves every overdue job to its next state. An error in one row does not stop the sweep."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import uuid4

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.dispatch import send_grace
from analysis_jobs.jobs.lost_workers import died_sharing, last_error, requeue_step
from analysis_jobs.jobs.ports import JobQueue, JobStore, Step
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, ending
from analysis_jobs.jobs.transitions import ABANDON, CANCEL_LOST, EXPIRE, RESEND, Status
from analysis_jobs.sweeper.one_sweep import OneSweep


@dataclass(frozen=True)
class Sweeper:
    """Takes one step with every overdue job. Sweepers may run concurrently: each step is one conditional write.

    `at_once` is the number of threads that take steps. A step is mostly waiting for AWS.
    """

    store: JobStore
    queue: JobQueue
    settings: Settings
    clock: Clock
    at_once: int = 1

    def sweep(self, until: datetime | None = None) -> Counter[str]:
        """Take a step with every overdue job, the longest overdue first. Return the number of jobs for each step.

        The steps are `requeue`, `resend`, `cancel` and `fail`. `alive` and `overtaken` are jobs that need no step,
        `error` are rows that raised. No step begins after `until`: the next sweep goes on.
        """
        sweep = OneSweep(self.store, self.queue, self.clock, self.next_step, until)
        if self.at_once == 1:
            sweep.run()
        else:
            with ThreadPoolExecutor(self.at_once, thread_name_prefix="sweep") as threads:
                for each in [threads.submit(sweep.run) for _ in range(self.at_once)]:
                    each.result()
        steps = sweep.steps
        log("sweep.done", "swept", steps=dict(steps), out_of_time=sweep.out_of_time or None)
        count("Sweeps")
        count("JobsRequeued", steps["requeue"] + steps["resend"])
        if steps["error"]:
            count("SweepErrors", steps["error"])
        if sweep.out_of_time:
            count("SweepsOutOfTime")
        return steps

    def next_step(self, key: JobKey, job: JobRecord | None) -> Step | str:
        """Return the next step of a job, as it was just read. A text says why it needs none."""
        now = self.clock.now()
        if job is None or job.due_at is None or job.due_at > now:
            return "overtaken"  # the index is eventually consistent
        if job.is_held(now):
            return "alive"  # a heartbeat does not update the index
        end = ending(now, self.settings.retention_of(key.tenant))
        if job.cancel_asked_at is not None and job.status is Status.PROCESSING:
            return Step(job, CANCEL_LOST, Changes(end), now)
        if job.attempt >= job.max_attempts and not died_sharing(job, now):
            return Step(job, ABANDON, Changes({**end, "failure": last_error(job)}), now)
        if job.deadline <= now:
            return Step(job, EXPIRE, Changes({**end, "failure": _deadline_passed(job)}), now)
        return requeue_step(job, now) if job.status is Status.PROCESSING else _resend_step(job, now)


def _resend_step(job: JobRecord, now: datetime) -> Step:
    """Return the step before the message of a queued job is sent again, because the earlier one may be lost."""
    due_at = min(now + send_grace(job.sends + 1), job.deadline)
    changes = Changes({"due_at": due_at, "claimant": uuid4().hex, "lane_sort_key": job.sort_key_in_lane})
    return Step(job, RESEND, changes, now)


def _deadline_passed(job: JobRecord) -> JobFailure:
    last_error = f"; its last error: {job.failure.message}" if job.failure else ""
    return JobFailure("deadline_passed", f"the job was not done by its deadline{last_error}", retryable=True)
