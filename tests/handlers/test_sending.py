"""The questions of an invocation that are being sent take a limited memory together."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import pytest

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Defer
from analysis_jobs.llm.model import Question
from analysis_jobs.llm.sending import Sending, sending_bytes
from tests.handlers.builders import eventually

MB = 1_000_000


def asking(attached: int, prompt: str = "What?") -> Question:
    """Return a question with so many bytes attached."""
    return Question("m", prompt, 10, attachments=(Attachment(b"x" * attached, "application/pdf", "a.pdf"),))


class Waiting:
    """A thread that takes a turn, and gives it back when it is told to."""

    def __init__(self, sending: Sending, question: Question) -> None:
        self.token = CancellationToken()
        self.sent = threading.Event()
        self.began = threading.Event()
        self.error: Defer | None = None
        self._thread = threading.Thread(target=self._run, args=(sending, question))
        self._thread.start()

    def _run(self, sending: Sending, question: Question) -> None:
        try:
            with sending.turn(question, self.token) as give_back:
                self.began.set()
                assert self.sent.wait(60)
                give_back()
        except Defer as error:
            self.error = error

    def end(self) -> None:
        self.sent.set()
        self._thread.join()


def is_queued(sending: Sending, count: int) -> Callable[[], bool]:
    return lambda: sending.waiting == count


def test_questions_that_fit_together_are_sent_together_and_the_next_ones_in_order() -> None:
    sending = Sending(10 * MB)
    first, second = Waiting(sending, asking(MB)), Waiting(sending, asking(MB))
    assert first.began.wait(60)
    assert second.began.wait(60)
    large = Waiting(sending, asking(2 * MB))
    eventually(is_queued(sending, 1))
    late = Waiting(sending, asking(MB // 2))
    eventually(is_queued(sending, 2))
    first.end()
    assert not large.began.is_set()
    assert not late.began.is_set(), "it would fit, but the large one came first"
    second.end()
    assert large.began.wait(60)
    large.end()
    assert late.began.wait(60)
    late.end()
    assert sending.taken_bytes == 0


def test_a_question_above_the_limit_is_sent_alone() -> None:
    sending = Sending(2 * MB)
    first = Waiting(sending, asking(MB // 4 + MB // 8))
    assert first.began.wait(60)
    huge = Waiting(sending, asking(10 * MB))
    eventually(is_queued(sending, 1))
    assert not huge.began.is_set()
    first.end()
    assert huge.began.wait(60)
    huge.end()


@pytest.mark.parametrize(
    ("sending", "question"),
    [(Sending(1), asking(200_000)), (Sending(1), asking(0, "word " * 20_000)), (Sending(None), asking(50 * MB))],
    ids=["a small attachment", "a text of 100 KB", "without a limit"],
)
def test_it_does_not_wait(sending: Sending, question: Question) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(sending.turn(question, CancellationToken()))


def test_a_cancel_ends_the_wait_and_the_next_one_goes_on() -> None:
    sending = Sending(5 * MB)
    first = Waiting(sending, asking(MB))
    assert first.began.wait(60)
    cancelled = Waiting(sending, asking(4 * MB))
    eventually(is_queued(sending, 1))
    next_one = Waiting(sending, asking(MB))
    eventually(is_queued(sending, 2))
    cancelled.token.cancel()
    cancelled.end()
    assert isinstance(cancelled.error, Defer)
    first.end()
    assert next_one.began.wait(60)
    next_one.end()
    assert sending.taken_bytes == 0


def test_who_waits_too_long_goes_back_to_the_queue() -> None:
    sending = Sending(5 * MB, max_wait=timedelta(seconds=0.1))
    with sending.turn(asking(MB), CancellationToken()):
        with (
            pytest.raises(Defer, match="busy with sending") as raised,
            sending.turn(asking(MB), CancellationToken()),
        ):
            pass
        assert raised.value.code == "sending_busy"
    with sending.turn(asking(MB), CancellationToken()):
        pass


def test_an_error_gives_the_turn_back_and_twice_is_once() -> None:
    sending = Sending(5 * MB)

    def fail() -> None:
        with sending.turn(asking(MB), CancellationToken()) as give_back:
            give_back()
            give_back()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert sending.taken_bytes == 0


@pytest.mark.parametrize(
    ("text", "least"), [("word " * 1_000, 2.3), ("日本語テキ" * 1_000, 13.5)], ids=["ascii", "escaped in JSON"]
)
def test_a_text_counts_as_what_its_json_takes(text: str, least: float) -> None:
    assert least * len(text) <= sending_bytes(Question("m", text, 10)) <= least * len(text) * 1.4
