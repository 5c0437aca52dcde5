"""What is kept is asked for once, and again when its time is over."""

import threading

import pytest

from cloud.stand_in.kept import Kept
from cloud.stand_in.refusals import BedrockError


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_asked_for_again_when_its_time_is_over() -> None:
    clock = Clock()
    kept, answers = Kept(2, clock), iter("abc")
    assert [kept.get("key", lambda: next(answers)) for _ in range(2)] == ["a", "a"]
    clock.now = 2
    assert kept.get("key", lambda: next(answers)) == "b"
    kept.forget()
    assert kept.get("key", lambda: next(answers)) == "c"


def test_a_refusal_is_kept_too() -> None:
    kept, refusals = Kept(2, Clock()), iter(["first", "second"])

    def refuse() -> None:
        raise BedrockError("AccessDeniedException", next(refusals))

    for _ in range(2):
        with pytest.raises(BedrockError, match="first"):
            kept.get("key", refuse)


def test_many_threads_ask_once_and_other_keys_do_not_wait() -> None:
    kept, asked = Kept(60), []
    slow = threading.Event()

    def ask() -> str:
        asked.append("key")
        slow.wait(60)
        return "answer"

    threads = [threading.Thread(target=kept.get, args=("key", ask)) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert kept.get("other", lambda: "at once") == "at once"
    assert all(thread.is_alive() for thread in threads)
    slow.set()
    for thread in threads:
        thread.join(60)
    assert asked == ["key"]
