"""The sign of life of a working attempt: a thread that renews the lease, and learns when the work must stop."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Self

from analysis_jobs.base.cancellation import Breaker
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import OutOfTime, Stopped
from analysis_jobs.base.observability import log


class Heartbeat:
    """Calls `beat` every so often while the block runs; `check` raises `Stopped` once the work must stop.

    `beat` returns until when the lease was renewed, None where it was refused, and raises `Stopped` where it learns of
    another reason, as a cancel. Where it fails (the network, a throttle), or does not return, the lease counts as ours
    until it has truly run out. At `stop_at` the invocation's time is over. Whatever the reason, `breaker` is tripped,
    so that a blocked model call ends too: a stop takes at most one beat.

    The thread has ended when the block is left: Lambda would freeze it, and wake it in another job.
    """

    def __init__(
        self,
        beat: Callable[[], datetime | None],
        every: timedelta,
        lease_until: datetime,
        clock: Clock,
        stop_at: datetime | None = None,
    ) -> None:
        self._beat = beat
        self._every = every
        self._lease_until = lease_until
        self._clock = clock
        self._stop_at = stop_at
        self._stop = Event()
        self._why: Stopped | None = None
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self.breaker = Breaker()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Stopped` where the lease is lost or has run out, a cancel was asked for, or the time is over."""
        if self._why is not None:
            raise self._why
        if self._clock.now() >= self._lease_until:
            raise Stopped("the lease is lost")
        if self._stop_at is not None and self._clock.now() >= self._stop_at:
            raise OutOfTime("the invocation's time is over")

    def time_left(self) -> timedelta:
        """Return how long the invocation may still work."""
        return timedelta.max if self._stop_at is None else self._stop_at - self._clock.now()

    def _run(self) -> None:
        while not self._stop.is_set() and not self._clock.wait(self._stop, self._pause()):
            try:
                if self._stop_at is None or self._clock.now() < self._stop_at:
                    self._renew()
                self.check()
            except Stopped as why:
                self._why = why
                self.breaker.trip()
                return

    def _pause(self) -> timedelta:
        return max(timedelta(), min(self._every, self.time_left()))

    def _renew(self) -> None:
        try:
            renewed_until = self._beat()
        except Exception as error:  # noqa: BLE001 - whatever it was, the lease is ours until it runs out
            log("heartbeat.failed", "a heartbeat failed", error=error)
            return
        if renewed_until is None:
            raise Stopped("the lease is lost")
        self._lease_until = renewed_until
