"""Keeps the messages of an invocation's jobs invisible. One request renews all of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import log
from analysis_jobs.jobs.ports import MessageSource

# The heartbeats of an invocation beat at the same moments. Those within this time share a request. It is shorter than
# the margin between the end of a lease and the return of its message.
_SAME_MOMENT = timedelta(seconds=1)


class Visibility:
    """The visibility of the messages of one invocation, which come from one queue. Its jobs call it from their threads.

    A failure is logged and not raised: the lease decides, and the next heartbeat tries again.
    """

    def __init__(self, queue: MessageSource, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._lock = Lock()
        self._renewed_at: dict[str, datetime | None] = {}  # by receipt handle; the messages of the jobs that run

    def renew(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """Hide a message for this time, and with it the messages of the other jobs that run.

        Sends nothing if another job has renewed this message just now.
        """
        now = self._clock.now()
        with self._lock:
            renewed_at = self._renewed_at.get(receipt_handle)
            if renewed_at is not None and timedelta() <= now - renewed_at < _SAME_MOMENT:
                return
            self._renewed_at[receipt_handle] = now
            # Set before the request, so that no other thread sends a second one or waits for this one.
            self._renewed_at = dict.fromkeys(self._renewed_at, now)
            receipts = list(self._renewed_at)
        self._mark_failed(self._extend(queue_arn, receipts, visibility))

    def release(self, receipt_handle: str) -> None:
        """Leave a message out of later renewals: its job has ended, or waits."""
        with self._lock:
            self._renewed_at.pop(receipt_handle, None)

    def _extend(self, queue_arn: str, receipts: Sequence[str], visibility: timedelta) -> list[str]:
        """Extend the messages, and return those that failed."""
        try:
            if len(receipts) == 1:
                self._queue.extend(queue_arn, receipts[0], visibility)
                return []
            failed = self._queue.extend_all(queue_arn, receipts, visibility)
        except Exception as error:  # noqa: BLE001 - see the class
            log("message.not_extended", "the visibility timeouts stay", error=error, messages=len(receipts))
            return list(receipts)
        if running := {receipt: code for receipt, code in failed.items() if receipt in self._renewed_at}:
            codes = ", ".join(sorted(set(running.values())))
            log("message.not_extended", "some visibility timeouts stay", messages=len(running), codes=codes)
        return list(running)

    def _mark_failed(self, receipts: Sequence[str]) -> None:
        """Let the next heartbeat of each of these messages send a request."""
        with self._lock:
            for receipt in receipts:
                if receipt in self._renewed_at:
                    self._renewed_at[receipt] = None
