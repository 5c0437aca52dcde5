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

    `beat` returns until when the lease was renewed, None where it was refused. Where it raises (the network, a
    throttle), or does not return, the lease counts as ours until it has truly run out. The thread has ended when the
    block is left: Lambda would freeze it, and wake it in another job.
    """

    def __init__(
        self, beat: Callable[[], datetime | None], every: timedelta, lease_until: datetime, clock: Clock
    ) -> None:
        self._beat = beat
        self._every = every
        self._lease_until = lease_until
        self._clock = clock
        self._stop = Event()
        self._lost = Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Stopped` where the lease is lost, or has run out."""
        if self._lost.is_set() or self._clock.now() >= self._lease_until:
            raise Stopped("the lease is lost")

    def _run(self) -> None:
        while not self._stop.is_set() and not self._clock.wait(self._stop, self._every):
            try:
                renewed_until = self._beat()
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease is ours until it runs out
                log("heartbeat.failed", "a heartbeat failed", error=error)
                continue
            if renewed_until is None:
                self._lost.set()
                return
            self._lease_until = renewed_until
