"""Breaks off the blocking call of one thread from another thread.

Closing a stream from another thread does not unblock its reader: `close` waits for the reader. Shutting the socket down
does unblock it, whether data flows, has stalled, or has not begun.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class CancellationToken:
    """Can be cancelled once, from any thread. It stays cancelled."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._cancelled = False

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` if the token is cancelled while the block runs; call it at once if it already is.

        The callback runs in the cancelling thread. It must not block.
        """
        with self._lock:
            self._callbacks.append(callback)
            cancelled = self._cancelled
        try:
            if cancelled:
                callback()
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def cancel(self) -> None:
        """Cancel the token, and run the callbacks of all blocks that are running."""
        with self._lock:
            self._cancelled = True
            # Under the lock: once a block has ended, its socket may belong to another request.
            for callback in self._callbacks:
                callback()
