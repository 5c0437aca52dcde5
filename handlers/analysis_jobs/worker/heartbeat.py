"""The heartbeat of an attempt: a thread that renews the lease and notices when the attempt must stop."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Self

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import OutOfTime, Stopped
from analysis_jobs.base.observability import log


class Heartbeat:
    """Calls `beat` at intervals while the block runs. `check` raises `Stopped` if the attempt must stop.

    `beat` returns the new end of the lease. It raises `Stopped` if the lease is lost or a caller asked for a cancel. If
    it fails otherwise (the network, a throttle) or does not return, the lease counts as held until it expires. At
    `stop_at` the invocation's time is over.

    When the attempt must stop, the heartbeat cancels `cancellation`, which ends a blocked model call. So the attempt
    stops within one interval.

    With `beats_from` it beats at whole intervals after that time. So the jobs of an invocation beat at the same
    moments, and one request renews all their messages.

    The thread ends before the block is left. Lambda would otherwise freeze it, and thaw it during another job.
    """

    def __init__(  # noqa: PLR0913 - when to beat, and until when
        self,
        beat: Callable[[], datetime],
        every: timedelta,
        lease_until: datetime,
        clock: Clock,
        stop_at: datetime | None = None,
        *,
        beats_from: datetime | None = None,
    ) -> None:
        self._beat = beat
        self._every = every
        self._lease_until = lease_until
        self._clock = clock
        self._stop_at = stop_at
        self._beats_from = beats_from
        self._stop = Event()
        self._stopped: Stopped | None = None
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self.cancellation = CancellationToken()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Stopped` if the lease is lost or expired, a caller asked for a cancel, or the time is over."""
        if self._stopped is not None:
            raise self._stopped
        if self._clock.now() >= self._lease_until:
            raise Stopped("the lease is lost")
        if self._stop_at is not None and self._clock.now() >= self._stop_at:
            raise OutOfTime("the invocation's time is over")

    def time_left(self) -> timedelta:
        """Return how much time the invocation has left for work."""
        return timedelta.max if self._stop_at is None else self._stop_at - self._clock.now()

    def _run(self) -> None:
        while not self._stop.is_set() and not self._clock.wait(self._stop, self._pause()):
            try:
                if self._stop_at is None or self._clock.now() < self._stop_at:
                    self._renew()
                self.check()
            except Stopped as stopped:
                self._stopped = stopped
                self.cancellation.cancel()
                return

    def _pause(self) -> timedelta:
        return max(timedelta(), min(self._to_next_beat(), self.time_left()))

    def _to_next_beat(self) -> timedelta:
        if self._beats_from is None:
            return self._every
        return self._every - (self._clock.now() - self._beats_from) % self._every

    def _renew(self) -> None:
        try:
            renewed_until = self._beat()
        except Exception as error:  # noqa: BLE001 - after any error the lease holds until it expires
            log("heartbeat.failed", "a heartbeat failed: the lease holds until it expires", error=error)
            return
        self._lease_until = renewed_until
