"""Doing one thing to many items, one after the other or in threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def run_all[Item, Output](work: Callable[[int, Item], Output], items: Sequence[Item], at_once: int) -> list[Output]:
    """Return `work(number, item)` of every item, in the order of the items, on at most `at_once` threads.

    Raises what one of them raises: what is at work then comes to its end, and nothing more is begun.
    """
    if at_once < 2:  # noqa: PLR2004 - no thread is needed for one at a time
        return [work(number, item) for number, item in enumerate(items)]
    with ThreadPoolExecutor(at_once, thread_name_prefix="item") as threads:
        running = [threads.submit(work, number, item) for number, item in enumerate(items)]
        wait(running, return_when=FIRST_EXCEPTION)
        threads.shutdown(cancel_futures=True)
    errors = [error for one in running if not one.cancelled() and (error := one.exception())]
    # An order to stop is no error of the job, and goes before those that it may have caused.
    for error in sorted(errors, key=lambda error: isinstance(error, Exception)):
        raise error
    return [one.result() for one in running]
