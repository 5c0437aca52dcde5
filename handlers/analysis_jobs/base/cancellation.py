"""Cutting off what a working thread is blocked in, from the heartbeat's thread.

Closing a stream from another thread does not unblock its reader: it waits for the reader itself. Shutting the socket
down does, whether data flows, stalls, or has not begun to come.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Breaker:
    """While `armed`, `trip` calls the cut; once tripped it stays so, and whatever is armed later is cut at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cuts: list[Callable[[], None]] = []
        self._tripped = False

    @contextmanager
    def armed(self, cut: Callable[[], None]) -> Iterator[None]:
        """Let `trip` call `cut` while the block runs. `cut` is called from another thread, and must not wait."""
        with self._lock:
            self._cuts.append(cut)
            tripped = self._tripped
        try:
            if tripped:
                cut()
            yield
        finally:
            with self._lock:
                self._cuts.remove(cut)

    def trip(self) -> None:
        """Cut off whatever is armed."""
        with self._lock:
            self._tripped = True
            # Under the lock: whoever has left its block is not cut any more, what it used may be another's by now.
            for cut in self._cuts:
                cut()
