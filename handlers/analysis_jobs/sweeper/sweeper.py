"""Moves every overdue job to its next state. An error in one row does not stop the sweep."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any
from uuid import uuid4

from analysis_jobs.base.batches import batches
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.canaries import uncounted
from analysis_jobs.jobs.dispatch import send, send_grace
from analysis_jobs.jobs.lost_workers import died_sharing, last_error, requeue, took_effect
from analysis_jobs.jobs.ports import Applied, JobQueue, JobStore
from analysis_jobs.jobs.record import Changes, JobFailure, JobKey, JobRecord, ending
from analysis_jobs.jobs.timing import record_processing_time
from analysis_jobs.jobs.transitions import ABANDON, CANCEL_LOST, EXPIRE, RESEND, Status, Transition

# DynamoDB reads at most 100 rows in one request.
_BATCH = 100
_NO_STEP = ("alive", "overtaken")


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
        sweep = _Sweep(self, until)
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

    def step(self, key: JobKey, job: JobRecord | None) -> str:
        """Take the next step with a job, as it was just read. Return the name of the step."""
        now = self.clock.now()
        if job is None or job.due_at is None or job.due_at > now:
            return "overtaken"  # the index is eventually consistent
        if job.is_held(now):
            return "alive"  # a heartbeat does not update the index
        if job.cancel_asked_at is not None and job.status is Status.PROCESSING:
            return self._end(key, CANCEL_LOST, {})
        if job.attempt >= job.max_attempts and not died_sharing(job, now):
            return self._end(key, ABANDON, {"failure": last_error(job)})
        if job.deadline <= now:
            return self._end(key, EXPIRE, {"failure": _deadline_passed(job)})
        return self._requeue(job) if job.status is Status.PROCESSING else self._resend(key, job)

    def _requeue(self, job: JobRecord) -> str:
        """Queue a job again after its worker died."""
        return "requeue" if requeue(self.store, self.queue, job, self.clock.now()) else "overtaken"

    def _resend(self, key: JobKey, job: JobRecord) -> str:
        """Send the message of a queued job again, because the earlier one may be lost."""
        # Write the row before the message. After a crash in between the row is due again, and no message is duplicated.
        now, mark = self.clock.now(), uuid4().hex
        due_at = min(now + send_grace(job.sends + 1), job.deadline)
        changes = Changes({"due_at": due_at, "claimant": mark, "lane_sort_key": job.sort_key_in_lane})
        outcome = self.store.transition(key, RESEND, changes, now=now, read=job)
        if outcome.job is None or not took_effect(outcome, mark):
            return "overtaken"
        send(self.queue, outcome.job)
        return "resend"

    def _end(self, key: JobKey, transition: Transition, why: Mapping[str, Any]) -> str:
        now = self.clock.now()
        ended = ending(now, self.settings.retention_of(key.tenant))
        outcome = self.store.transition(key, transition, Changes({**ended, **why}), now=now)
        if not isinstance(outcome, Applied):
            return "overtaken"
        record_processing_time(outcome.job)
        if transition is CANCEL_LOST:
            count("JobsCancelled")
            return "cancel"
        count("JobsFailed")
        return "fail"


class _Sweep:
    """One sweep. Several threads may `run` it: each takes the next overdue jobs."""

    def __init__(self, sweeper: Sweeper, until: datetime | None) -> None:
        self.steps: Counter[str] = Counter()
        self.out_of_time = False
        self._sweeper = sweeper
        self._until = until
        self._batches = batches(sweeper.store.due(sweeper.clock.now()), _BATCH)
        self._taking = Lock()

    def run(self) -> None:
        """Take steps until no job is left, or until the time is over."""
        while not self._is_late():
            with self._taking:
                keys = next(self._batches, None)
            if keys is None:
                return
            held = self._held(keys)
            self._count("alive", len(held))
            for key, job in self._read([key for key in keys if key not in held]):
                if self._is_late():
                    return
                self._take(key, job)

    def _is_late(self) -> bool:
        late = self._until is not None and self._sweeper.clock.now() >= self._until
        self.out_of_time |= late
        return late

    def _held(self, keys: Sequence[JobKey]) -> frozenset[JobKey]:
        """Return the jobs that a worker holds: nearly all rows that are due, after their first lease.

        They are not read as a whole. If the request fails, none is known, and all rows are read.
        """
        try:
            return self._sweeper.store.held(keys, self._sweeper.clock.now())
        except Exception as error:  # noqa: BLE001 - see above
            log("sweep.leases_failed", "all rows are read as a whole", error=error)
            return frozenset()

    def _read(self, keys: Sequence[JobKey]) -> Iterator[tuple[JobKey, Callable[[], JobRecord | None]]]:
        """Yield the jobs, each with a function that returns its row. One request reads all rows.

        If the request fails, the rows are read one by one, so that a row that cannot be read stops no other one.
        """
        try:
            rows = self._sweeper.store.read_many(keys) if keys else {}
        except Exception as error:  # noqa: BLE001 - see above
            log("sweep.batch_failed", "the rows are read one by one", error=error)
            yield from ((key, partial(self._sweeper.store.get, key)) for key in keys)
        else:
            yield from ((key, partial(rows.get, key)) for key in keys)

    def _take(self, key: JobKey, job: Callable[[], JobRecord | None]) -> None:
        about: dict[str, Any] = {"job_id": key.job_id, "tenant": key.tenant}
        try:
            with uncounted(key.tenant):
                step = self._sweeper.step(key, job())
        except Exception as error:  # noqa: BLE001 - continue with the next row
            step = "error"
            log("sweep.error", "a row could not be swept", error=error, **about)
        else:
            if step not in _NO_STEP:
                log("sweep.step", f"took the step {step} for an overdue job", step=step, **about)
        self._count(step, 1)

    def _count(self, step: str, jobs: int) -> None:
        if jobs:
            with self._taking:
                self.steps[step] += jobs


def _deadline_passed(job: JobRecord) -> JobFailure:
    last_error = f"; its last error: {job.failure.message}" if job.failure else ""
    return JobFailure("deadline_passed", f"the job was not done by its deadline{last_error}", retryable=True)
