"""Divides what comes into batches. `itertools.batched` needs Python 3.12, and a backend may run on 3.11."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in tuples of up to `size`. The items are taken when their batch is."""
    left = iter(items)
    while batch := tuple(islice(left, size)):
        yield batch
