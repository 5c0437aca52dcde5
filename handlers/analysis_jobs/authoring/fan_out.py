"""Calls a function for many items: one after the other, or in threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Output = TypeVar("Output")


def map_items(work: Callable[[int, Item], Output], items: Sequence[Item], at_once: int) -> list[Output]:
    """Return `work(number, item)` for every item, in order. Up to `at_once` threads do the work.

    If a call raises, the running calls finish, no other call starts, and the error is raised here.
    """
    if at_once < 2:  # noqa: PLR2004 - one call at a time needs no thread
        return [work(number, item) for number, item in enumerate(items)]
    with ThreadPoolExecutor(at_once, thread_name_prefix="item") as threads:
        futures = [threads.submit(work, number, item) for number, item in enumerate(items)]
        wait(futures, return_when=FIRST_EXCEPTION)
        threads.shutdown(cancel_futures=True)
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    # Raise `Stopped` and the like (no `Exception`) first: a stop may have caused the other errors.
    for error in sorted(errors, key=lambda error: isinstance(error, Exception)):
        raise error
    return [future.result() for future in futures]
