"""One sweep: reads the overdue jobs, writes their steps, and sends their messages, as few requests as possible."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any

from analysis_jobs.base.batches import batches
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.jobs.canaries import uncounted
from analysis_jobs.jobs.dispatch import message_of
from analysis_jobs.jobs.lost_workers import row_after
from analysis_jobs.jobs.ports import JobMessage, JobQueue, JobStore, Step
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.timing import record_processing_time
from analysis_jobs.jobs.transitions import CANCEL_LOST, REQUEUE, REQUEUE_SHARED, RESEND

# DynamoDB reads at most 100 rows in one request.
_BATCH = 100
# The most steps that one transaction writes. After a crash, their messages are sent again when the rows are due again.
TOGETHER = 25
# The fewest. A transaction takes twice the write units: for a single row it saves nothing.
LEAST_TOGETHER = 2
_SENT = {REQUEUE.name: "requeue", REQUEUE_SHARED.name: "requeue", RESEND.name: "resend"}


class OneSweep:
    """One sweep. Several threads may `run` it: each takes the next overdue jobs.

    `next_step` decides about a job: it returns its step, or why it needs none. No step begins after `until`.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        clock: Clock,
        next_step: Callable[[JobKey, JobRecord | None], Step | str],
        until: datetime | None,
    ) -> None:
        self.steps: Counter[str] = Counter()
        self.out_of_time = False
        self._store = store
        self._queue = queue
        self._clock = clock
        self._next_step = next_step
        self._until = until
        self._batches = batches(store.due(clock.now()), _BATCH)
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
            for steps in batches(self._next_steps([key for key in keys if key not in held]), TOGETHER):
                if self._is_late():
                    return
                self._take(steps)

    def _is_late(self) -> bool:
        late = self._until is not None and self._clock.now() >= self._until
        self.out_of_time |= late
        return late

    # What is to be done

    def _held(self, keys: Sequence[JobKey]) -> frozenset[JobKey]:
        """Return the jobs that a worker holds: nearly all rows that are due, after their first lease.

        They are not read as a whole. If the request fails, none is known, and all rows are read.
        """
        try:
            return self._store.held(keys, self._clock.now())
        except Exception as error:  # noqa: BLE001 - see above
            log("sweep.leases_failed", "all rows are read as a whole", error=error)
            return frozenset()

    def _next_steps(self, keys: Sequence[JobKey]) -> Iterator[Step]:
        """Yield the next step of each job that needs one, until the time is over."""
        for key, job in self._read(keys):
            if self._is_late():
                return
            try:
                step = self._next_step(key, job())
            except Exception as error:  # noqa: BLE001 - continue with the next row
                self._failed(key, error)
                continue
            if isinstance(step, Step):
                yield step
            else:
                self._count(step, 1)

    def _read(self, keys: Sequence[JobKey]) -> Iterator[tuple[JobKey, Callable[[], JobRecord | None]]]:
        """Yield the jobs, each with a function that returns its row. One request reads all rows.

        If the request fails, the rows are read one by one, so that a row that cannot be read stops no other one.
        """
        try:
            rows = self._store.read_many(keys) if keys else {}
        except Exception as error:  # noqa: BLE001 - see above
            log("sweep.batch_failed", "the rows are read one by one", error=error)
            yield from ((key, partial(self._store.get, key)) for key in keys)
        else:
            yield from ((key, partial(rows.get, key)) for key in keys)

    # Doing it

    def _take(self, steps: Sequence[Step]) -> None:
        """Write the steps, then send the messages of the jobs that are queued.

        The rows come before the messages. After a crash in between the rows are due again, and no message is
        duplicated.
        """
        written = self._written(steps)
        self._send([(step, job) for step, job in written if step.transition.name in _SENT])
        for step, job in written:
            if step.transition.name not in _SENT:
                self._ended(step, job)

    def _written(self, steps: Sequence[Step]) -> Sequence[tuple[Step, JobRecord]]:
        """Write the steps together, or each by itself if that is refused. Return those that took effect."""
        if len(steps) >= LEAST_TOGETHER:
            try:
                rows = self._store.transition_all(steps)
            except Exception as error:  # noqa: BLE001 - one row may be the cause: find out by writing each by itself
                log("sweep.transaction_failed", "the rows are written one by one", error=error)
                rows = None
            if rows is not None:
                return list(zip(steps, rows, strict=True))
        return [(step, job) for step in steps if (job := self._written_alone(step))]

    def _written_alone(self, step: Step) -> JobRecord | None:
        if self._is_late():
            return None
        try:
            outcome = self._store.transition(step.read.key, step.transition, step.changes, now=step.now, read=step.read)
        except Exception as error:  # noqa: BLE001 - continue with the next row
            self._failed(step.read.key, error)
            return None
        job = row_after(step, outcome)
        if job is None:
            self._count("overtaken", 1)
        return job

    def _send(self, written: Sequence[tuple[Step, JobRecord]]) -> None:
        """Send the messages of jobs. Each message that is refused is sent again by itself: it may spoil the others."""
        messages = [message_of(job) for _, job in written]
        refused = self._queue.send_all(messages) if messages else ()
        for (step, _), message in zip(written, messages, strict=True):
            if message not in refused or self._sent_alone(message):
                self._took(_SENT[step.transition.name], message.job)

    def _sent_alone(self, message: JobMessage) -> bool:
        """Send a message. Return whether this worked: if not, it is sent when the row is due again."""
        error: Exception | None = None
        if not self._is_late():
            try:
                self._queue.send(**vars(message))
            except Exception as raised:  # noqa: BLE001 - continue with the next message
                error = raised
            else:
                return True
        self._failed(message.job, error)
        return False

    def _ended(self, step: Step, job: JobRecord) -> None:
        cancelled = step.transition is CANCEL_LOST
        with uncounted(job.tenant):
            record_processing_time(job)
            count("JobsCancelled" if cancelled else "JobsFailed")
        self._took("cancel" if cancelled else "fail", job.key)

    # What is reported

    def _took(self, step: str, key: JobKey) -> None:
        log("sweep.step", f"took the step {step} for an overdue job", step=step, **_about(key))
        self._count(step, 1)

    def _failed(self, key: JobKey, error: Exception | None) -> None:
        log("sweep.error", "a row could not be swept", error=error, **_about(key))
        self._count("error", 1)

    def _count(self, step: str, jobs: int) -> None:
        if jobs:
            with self._taking:
                self.steps[step] += jobs


def _about(key: JobKey) -> dict[str, Any]:
    return {"job_id": key.job_id, "tenant": key.tenant}
