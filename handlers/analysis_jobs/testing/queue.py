"""The job queues of a test: messages with a time from which they are visible."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analysis_jobs.base.clock import Clock
from analysis_jobs.jobs.ports import JobMessage
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.tiers import TierPointer
from analysis_jobs.worker.message import Message

# The limit of SQS for DelaySeconds.
_MAX_DELAY = timedelta(minutes=15)
# Until the worker sets its own, directly after the claim.
_VISIBILITY = timedelta(minutes=15)


@dataclass(frozen=True)
class _Sent:
    message: Message
    visible_at: datetime


class TimedQueue:
    """Standard queues, one for each priority. Implements `JobQueue`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: dict[str, _Sent] = {}
        self._sent = 0

    def can_delay(self, priority: str, delay: timedelta) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.can_delay`."""
        return delay <= _MAX_DELAY

    def is_fifo(self, priority: str) -> bool:  # noqa: ARG002 - the port's signature
        """See `JobQueue.is_fifo`."""
        return False

    def send(  # noqa: PLR0913 - the port's signature
        self,
        priority: str,
        job: JobKey,
        *,
        dedupe: str,  # noqa: ARG002 - only FIFO queues read it
        delay: timedelta = timedelta(),
        tier_rank: int | None = None,
        subject: str | None = None,  # noqa: ARG002 - as `dedupe`
        alone: bool = False,
    ) -> None:
        """See `JobQueue.send`."""
        self._sent += 1
        receipt = f"message-{self._sent}"
        pointer = None if tier_rank is None else TierPointer(priority, tier_rank, delayed=delay > timedelta())
        message = Message(job, f"arn:aws:sqs:test:000000000000:{priority}", receipt, pointer, alone)
        self._messages[receipt] = _Sent(message, self._clock.now() + min(delay, _MAX_DELAY))

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        """See `JobQueue.send_all`."""
        for message in messages:
            self.send(**vars(message))
        return ()

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:  # noqa: ARG002
        """See `JobQueue.extend`."""
        if sent := self._messages.get(receipt_handle):
            self._messages[receipt_handle] = replace(sent, visible_at=self._clock.now() + visibility)

    def receive(self) -> Message | None:
        """Return the message that is visible for the longest time, and hide it. None if no message is visible."""
        visible = [sent for sent in self._messages.values() if sent.visible_at <= self._clock.now()]
        if not visible:
            return None
        first = min(visible, key=lambda sent: sent.visible_at).message
        self.extend(first.queue_arn, first.receipt_handle, _VISIBILITY)
        return first

    def delete(self, message: Message) -> None:
        """Acknowledge a message."""
        self._messages.pop(message.receipt_handle, None)

    def next_at(self) -> datetime | None:
        """Return when the next message is visible. None without messages."""
        return min((sent.visible_at for sent in self._messages.values()), default=None)
