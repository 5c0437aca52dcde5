"""A clock that all code of a process shares. It moves only when a step is taken, so every run counts the same."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from analysis_jobs.base.clock import SystemClock

_GLANCE_S = 0.0005
_PATIENCE_S = 120


class VirtualTime:
    """Threads wait on it. `step` returns when each thread that it woke waits again or has ended."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._lock = threading.Lock()
        self._until: dict[threading.Thread, datetime] = {}
        self._awake: set[threading.Thread] = set()

    def wait(self, event: threading.Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after `duration` of this time."""
        me = threading.current_thread()
        with self._lock:
            until = self._until[me] = self.now + duration
            self._awake.discard(me)
        while self.now < until and not event.wait(_GLANCE_S):
            pass
        with self._lock:
            del self._until[me]
            self._awake.add(me)
        return event.is_set()

    def sleep(self, duration: timedelta) -> None:
        """Move the clock: whoever sleeps is the only one at work."""
        self.now += duration

    def step(self, duration: timedelta) -> None:
        """Move the clock when all threads wait, and return when all wait again."""
        self._settle()
        self.now += duration
        self._settle()

    def _settle(self) -> None:
        for _ in range(int(_PATIENCE_S / _GLANCE_S)):
            with self._lock:
                self._awake = {thread for thread in self._awake if thread.is_alive()}
                overdue = any(until <= self.now for until in self._until.values())
                if not self._awake - {threading.current_thread()} and not overdue:
                    return
            time.sleep(_GLANCE_S)
        raise TimeoutError("a thread neither waits nor ends")


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Replace the system clock of the library in this process."""
    clock = VirtualTime()
    with (
        patch.object(SystemClock, "now", lambda _: clock.now),
        patch.object(SystemClock, "sleep", lambda _, duration: clock.sleep(duration)),
        patch.object(SystemClock, "wait", lambda _, event, duration: clock.wait(event, duration)),
    ):
        yield clock
