"""The sign of life of a working attempt: a thread that renews the lease, and learns when it is lost."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Self

from analysis_jobs.clock import Clock
from analysis_jobs.errors import Stopped
from analysis_jobs.observability import log


class Heartbeat:
    """Calls `beat` every so often while the block runs; `check` raises `Stopped` once the lease is lost.

    `beat` returns whether the lease was renewed. Where it raises (the network, a throttle) the lease counts as ours
    until it has truly run out. The thread has ended when the block is left: Lambda would freeze it, and wake
    it in another job.
    """

    def __init__(self, beat: Callable[[], bool], every: timedelta, lease: timedelta, clock: Clock) -> None:
        self._beat = beat
        self._every = every
        self._lease = lease
        self._clock = clock
        self._stop = Event()
        self._lost = Event()
        self._good_until: datetime = clock.now() + lease
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Stopped` where the lease is lost."""
        if self._lost.is_set():
            raise Stopped("the lease is lost")

    def _run(self) -> None:
        while not self._stop.is_set() and not self._clock.wait(self._stop, self._every):
            renewed_at = self._clock.now()
            try:
                if self._beat():
                    self._good_until = renewed_at + self._lease
                    continue
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease is ours until it runs out
                log("heartbeat.failed", "a heartbeat failed", error=error)
                if self._clock.now() < self._good_until:
                    continue
            self._lost.set()
            return
