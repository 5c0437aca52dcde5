"""The slots of an invocation: the jobs that run side by side, and the messages that fill free slots.

A batch that Lambda delivers has often one message, and the jobs of a full batch end at different times. An invocation
with free slots costs as much as a full one. So it receives further messages of its own queue while it lasts.
"""

from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import log
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.ports import MessageSource
from analysis_jobs.worker.message import Message

# The invocation asks for messages first after this time, then at this interval, and at once when a job has ended.
_INTERVAL = timedelta(seconds=5)
# Lambda delivers and SQS returns so many messages at most. A full batch means that probably more are waiting. Then the
# invocation asks for them at once.
_FULL_BATCH = 10
# A receive waits for a twentieth of the invocation's age, up to the interval. All jobs may end meanwhile, and then this
# time is billed in vain.
_WAIT_PART = 20
# After so many receives without a message, the invocation asks again only when one of its jobs has ended. One empty
# receive says little, because Lambda's pollers receive from the same queue. Twelve cost less than 1 % of an invocation.
_MOST_EMPTY = 12
# The longest job may take so much longer than expected, or than the longest job that this invocation has seen.
_EXPECTED_MARGIN, _SEEN_MARGIN = 2, 1.25


class KeepMessage(Exception):  # noqa: N818 - nothing failed
    """The message must come back. The raiser has set its visibility timeout. It is not logged as a failure."""


@dataclass(frozen=True)
class Place:
    """How a job stands in its invocation: whether others may run beside it, and whether it came later."""

    shared: bool = False
    late: bool = False


Record: TypeAlias = dict[str, Any]
Handle: TypeAlias = Callable[[Record, Place], None]


@dataclass(frozen=True)
class Slots:
    """How many jobs an invocation runs at a time, and where it gets more.

    `expected` is how long a job usually takes. A further job needs twice this time before `stop_at`.
    """

    count: int
    queue: MessageSource
    clock: Clock
    stop_at: datetime
    expected: timedelta
    interval: timedelta = field(default_factory=lambda: _INTERVAL)


@dataclass(eq=False)
class _Run:
    """One job of the invocation. `began_at` is None without slots."""

    record: Record
    place: Place
    began_at: datetime | None
    succeeded: bool = False


class Batch:
    """The jobs of one invocation.

    Each job runs in a thread of its own, so that no thread-local or context variable of one job reaches another one.
    The calling thread starts them, and receives further messages.
    """

    def __init__(self, handle: Handle, slots: Slots | None) -> None:
        self._handle = handle
        self._slots = slots
        self._refill = _Refill(slots) if slots and slots.count > 1 else None
        self._running: list[_Run] = []
        self._ended: SimpleQueue[_Run] = SimpleQueue()
        self._failed: list[Record] = []

    def run(self, records: Sequence[Record]) -> list[Record]:
        """Run all jobs to their end. Return the delivered records that failed."""
        here = self._of_this_invocation(records)
        place = Place(shared=self._refill is not None or len(here) > 1)
        for record in here:
            self._start(record, place)
        pause = self._refill.slots.interval if self._refill and len(here) < _FULL_BATCH else timedelta()
        while self._running:
            if self._refill is None or not self._refill.free(self._running):
                self._settle(self._ended.get())
                pause = timedelta()
            elif self._has_one_ended(pause):
                pause = timedelta()
            else:
                pause = self._fill(self._refill)
        if self._refill and self._refill.received:
            log("batch.refilled", "filled free slots with further messages", received=self._refill.received)
        return [record for record in records if record in self._failed]

    def _of_this_invocation(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records to run here. If one must run alone, the others go back to the queue."""
        alone = next((record for record in records if _must_run_alone(record)), None)
        if alone is None:
            return records
        self._refill = None
        for record in records:
            if record is not alone and not _put_back(record, self._slots):
                self._failed.append(record)
        return [alone]

    def _start(self, record: Record, place: Place) -> None:
        run = _Run(record, place, self._slots.clock.now() if self._slots else None)
        self._running.append(run)

        def work() -> None:
            try:
                run.succeeded = succeeds(record, self._handle, place)
                if run.succeeded and place.late and self._slots:
                    _delete(record, self._slots)
            finally:
                self._ended.put(run)

        try:
            Thread(target=work, name="job").start()
        except RuntimeError as error:  # the process has no thread left
            log("message.failed", "the message goes back", error=error, message_id=record["messageId"])
            self._ended.put(run)

    def _has_one_ended(self, pause: timedelta) -> bool:
        """Wait for a job to end. Return False if none has ended after `pause`."""
        try:
            run = self._ended.get(timeout=pause.total_seconds())
        except Empty:
            return False
        self._settle(run)
        return True

    def _settle(self, run: _Run) -> None:
        self._running.remove(run)
        if self._refill:
            self._refill.has_ended(run)
        if not run.succeeded and not run.place.late:
            self._failed.append(run.record)

    def _fill(self, refill: "_Refill") -> timedelta:
        """Receive messages, and start their jobs. Return how long to wait before the next receive."""
        arn = self._running[0].record["eventSourceARN"]
        received, pause = refill.receive(arn, self._running)
        for record in received:
            if _must_run_alone(record):
                refill.over = True  # it would be received here again
                if _put_back(record, refill.slots):
                    _delete(record, refill.slots)
            else:
                self._start(record, Place(shared=True, late=True))
        return pause


class _Refill:
    """Receives further messages while the invocation has free slots and enough time. `over` ends that for good."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.over = False
        self.received = 0
        self._began_at = slots.clock.now()
        self._longest = timedelta()
        self._empty = 0

    def free(self, running: Sequence[_Run]) -> int:
        """Return how many messages to receive now."""
        if self.over or self._empty >= _MOST_EMPTY:
            return 0
        now = self.slots.clock.now()
        ages = [now - run.began_at for run in running if run.began_at]
        seen = max([self._longest, *ages])
        needed = max(self.slots.expected * _EXPECTED_MARGIN, seen * _SEEN_MARGIN)
        self.over = self.slots.stop_at - now < needed
        return 0 if self.over else max(0, self.slots.count - len(running))

    def receive(self, queue_arn: str, running: Sequence[_Run]) -> tuple[list[Record], timedelta]:
        """Return messages as records, and how long to wait before the next receive."""
        most, interval = self.free(running), self.slots.interval
        if not most:
            return [], timedelta()
        wait = min(interval, (self.slots.clock.now() - self._began_at) / _WAIT_PART)
        try:
            received = self.slots.queue.receive(queue_arn, most, wait)
        except Exception as error:  # noqa: BLE001 - Lambda's poller delivers the messages
            log("batch.not_refilled", "could not receive further messages", error=error)
            self.over = True
            return [], timedelta()
        self.received += len(received)
        self._empty = 0 if received else self._empty + 1
        records = [
            {"messageId": each.message_id, "body": each.body, "receiptHandle": each.receipt_handle}
            | {"eventSourceARN": queue_arn}
            for each in received
        ]
        return records, timedelta() if received else interval - wait

    def has_ended(self, run: _Run) -> None:
        """Take note of a job that has ended."""
        self._empty = 0
        # After an error, for example of AWS, each further receive would bring a message closer to the dead letters.
        self.over |= not run.succeeded
        if run.began_at:
            self._longest = max(self._longest, self.slots.clock.now() - run.began_at)


def succeeds(record: Record, handle: Handle, place: Place) -> bool:
    """Handle a record. Return False if its message must come back. An error must not affect the other records."""
    try:
        handle(record, place)
    except KeepMessage:
        return False
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any error returns this message
        log("message.failed", "the message goes back", error=error, message_id=record["messageId"])
        return False
    return True


def _must_run_alone(record: Record) -> bool:
    try:
        return _message(record).alone
    except Exception:  # noqa: BLE001 - handling it reports the error
        return False


def _put_back(record: Record, slots: Slots | None) -> bool:
    """Send a message again, for another invocation. Return False if it must come back by itself."""
    if slots is None:
        return False
    try:
        message = _message(record)
        slots.queue.put_back(message.queue_arn, record["body"], message.job.tenant)
    except Exception as error:  # noqa: BLE001 - the message stays in the queue
        log("message.not_put_back", "the message comes back later", error=error, message_id=record["messageId"])
        return False
    return True


def _delete(record: Record, slots: Slots) -> None:
    """Acknowledge a message that this invocation received by itself."""
    try:
        slots.queue.delete(record["eventSourceARN"], record["receiptHandle"])
    except Exception as error:  # noqa: BLE001 - the message comes back, and finds that its job has ended
        log("message.not_deleted", "the message comes back", error=error, message_id=record["messageId"])


def _message(record: Record) -> Message:
    return Message.parse(record["body"], record["eventSourceARN"], record["receiptHandle"])
