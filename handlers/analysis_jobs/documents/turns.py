"""Limits how many documents a worker reads at a time, because the jobs of an invocation share its memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import BoundedSemaphore

from analysis_jobs.base.errors import Defer

_POLL_S = 0.1
# Then the job goes back to the queue. Waiting longer would use up the time of the invocation, and so an attempt.
_MAX_WAIT = timedelta(minutes=1)


class Turns:
    """Lets at most `at_once` readers run. The others wait."""

    def __init__(self, at_once: int = 1, max_wait: timedelta = _MAX_WAIT) -> None:
        self._free = BoundedSemaphore(at_once)
        self._polls = max(1, int(max_wait.total_seconds() / _POLL_S))

    @contextmanager
    def taken(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait for a turn, and hold it during the block. `check` is called several times a second, and may raise.

        Raises `Defer` (`reader_busy`) after a minute.
        """
        for _ in range(self._polls):
            check()
            if self._free.acquire(timeout=_POLL_S):
                break
        else:
            raise Defer("reader_busy", "the worker was busy with other documents")
        try:
            yield
        finally:
            self._free.release()
