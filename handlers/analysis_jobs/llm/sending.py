"""Limits the memory of questions that are being sent, because the jobs of an invocation share its memory."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import timedelta
from functools import partial
from threading import Event, Lock

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Defer
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Question

# Then the job goes back to the queue, as with `documents.turns`. Twenty questions of 4 MB take about 15 s of a seventh
# of a processor.
_MAX_WAIT = timedelta(minutes=1)
# A smaller question never waits. Twenty of them take 20 MB, a twelfth of the smallest memory of a packed worker.
_SMALL = 2**20
# Measured with tracemalloc: a byte of an attachment takes 4.3 more while it is sent (base64, JSON text, body). A
# character takes 2.3, and 13.5 if JSON escapes it (`\uXXXX`).
_OF_ATTACHED_BYTE, _OF_ASCII, _OF_OTHER = 4.4, 3, 14


def sending_bytes(question: Question) -> int:
    """Return how much memory it takes at most to build and send a question, beside the question itself."""
    texts = (question.system or "", question.document, question.prompt)
    attached = sum(len(each.content) for each in question.attachments)
    return int(attached * _OF_ATTACHED_BYTE) + sum(
        len(text) * (_OF_ASCII if text.isascii() else _OF_OTHER) for text in texts
    )


@dataclass(eq=False)
class _Turn:
    size: int
    woken: Event = field(default_factory=Event)
    is_held: bool = False


class Sending:
    """Lets questions be sent while they take at most `most_bytes` together. None: there is no limit.

    The others wait in order. A larger question waits until no other one is being sent. `taken_bytes` is what is being
    sent now.
    """

    def __init__(self, most_bytes: int | None = None, max_wait: timedelta = _MAX_WAIT) -> None:
        self._most = most_bytes
        self._max_wait = max_wait
        self._lock = Lock()
        self.taken_bytes = 0
        self._waiting: deque[_Turn] = deque()

    @property
    def waiting(self) -> int:
        """How many questions wait for their turn."""
        return len(self._waiting)

    @contextmanager
    def turn(self, question: Question, cancellation: CancellationToken) -> Iterator[Callable[[], None]]:
        """Wait for a turn, and hold it during the block. Call the yielded function to give it back earlier.

        Raises `Defer` (`sending_busy`) after a minute, and at once if `cancellation` is cancelled meanwhile.
        """
        turn = _Turn(sending_bytes(question))
        if self._most is None or turn.size <= _SMALL:
            yield lambda: None
            return
        try:
            with self._lock:
                self._waiting.append(turn)
                self._admit(self._most)
            with cancellation.on_cancel(turn.woken.set):
                turn.woken.wait(self._max_wait.total_seconds())
            if not turn.is_held:
                raise Defer("sending_busy", "the worker was busy with sending other questions")
            yield partial(self._give_back, turn, self._most)
        finally:
            self._give_back(turn, self._most)

    def _admit(self, most: int) -> None:
        while self._waiting and (not self.taken_bytes or self.taken_bytes + self._waiting[0].size <= most):
            turn = self._waiting.popleft()
            self.taken_bytes += turn.size
            turn.is_held = True
            turn.woken.set()

    def _give_back(self, turn: _Turn, most: int) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.is_held:
                turn.is_held = False
                self.taken_bytes -= turn.size
            self._admit(most)
