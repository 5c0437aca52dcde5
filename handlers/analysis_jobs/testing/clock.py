"""The clock of a test. It moves only when the test or a wait moves it, and heartbeats keep up with it."""

import threading
from datetime import datetime, timedelta
from threading import Event, Lock

from analysis_jobs.base.clock import ManualClock

_POLL_S = 0.001
_PATIENCE_S = 60.0  # real seconds
_HEARTBEAT = "heartbeat"  # the name of the thread in `worker.heartbeat`


class TestClock(ManualClock):
    """A manual clock for jobs whose heartbeat runs in a thread.

    `advance` moves in steps that are not longer than a heartbeat, and waits after each until the heartbeat has renewed
    the lease. So a job holds its lease however far the clock moves.
    """

    __test__ = False  # pytest collects classes whose name begins with `Test`

    def __init__(self, step: timedelta) -> None:
        super().__init__()
        self._step = step
        self._moving = Lock()  # the threads of `job.each` may move the clock too
        self._heartbeat_rests_until = self.now()
        self._foreign = set(threading.enumerate())

    def advance(self, duration: timedelta = timedelta(), **units: float) -> None:
        """Move the clock forward: `advance(timedelta(minutes=5))` or `advance(minutes=5)`."""
        with self._moving:
            until = self.now() + duration + timedelta(**units)
            while self.now() < until and self._heartbeat_is_idle():
                super().advance(min(self._step, until - self.now()))
                self._heartbeat_is_idle()
            super().advance(until - self.now())

    def set(self, moment: datetime) -> None:
        """Set the clock to a time, which must be aware. Do it before the first job."""
        self.advance(moment - self.now())

    def wait(self, event: Event, duration: timedelta) -> bool:
        """See `Clock.wait`. Only the heartbeat calls it."""
        # One time for both: `advance` moves the clock as soon as it sees that the heartbeat rests.
        until = self._heartbeat_rests_until = self.now() + duration
        while self.now() < until and not event.wait(_POLL_S):
            pass
        return event.is_set()

    def _heartbeat_is_idle(self) -> bool:
        """Wait until the heartbeat waits for the clock. Return False if no heartbeat runs."""
        glance = Event()
        for _ in range(int(_PATIENCE_S / _POLL_S)):
            if not any(thread.name == _HEARTBEAT for thread in set(threading.enumerate()) - self._foreign):
                return False
            if self._heartbeat_rests_until > self.now():
                return True
            glance.wait(_POLL_S)
        raise RuntimeError("the heartbeat does not keep up with the clock")
