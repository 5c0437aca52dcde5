"""Answers that are asked for once and kept for a while."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from cloud.stand_in.refusals import BedrockError


class Kept:
    """What was answered or refused in the last `seconds`, each asked for once however many threads want it."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def get[T](self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what `ask` answers, or raise the BedrockError that it raises."""
        with self._lock:
            now = self._clock()
            for stale in [each for each, entry in self._entries.items() if entry.until <= now]:
                del self._entries[stale]
            entry = self._entries.setdefault(key, _Entry(now + self._seconds))
        answer: T = entry.get(ask)
        return answer

    def forget(self) -> None:
        """Ask again for everything."""
        with self._lock:
            self._entries.clear()


class _Entry:
    def __init__(self, until: float) -> None:
        self.until = until
        self._lock = threading.Lock()
        self._answers: list[Any] = []
        self._refusal: BedrockError | None = None

    def get(self, ask: Callable[[], object]) -> Any:  # noqa: ANN401 - whatever is kept
        with self._lock:
            if not self._answers and not self._refusal:
                try:
                    self._answers.append(ask())
                except BedrockError as refusal:
                    self._refusal = refusal
        if self._refusal:
            raise BedrockError(self._refusal.code, self._refusal.message)
        return self._answers[0]
