"""The entry of a series in the job's row: which items have a checkpoint, and under which fencing token.

DynamoDB charges every write by the size of the row, so all items of a series share one entry. `d1f3 3:0-41,44 4:42`
means: items 0 to 41 and 44 finished under token 3, and item 42 under token 4. `d1f3` is the digest of the series. An
entry with another digest belongs to other input, another name or other code.
"""

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple, Self


class Run(NamedTuple):
    """Consecutive items that finished under one fencing token. `last` is included."""

    first: int
    last: int
    fence: int


class SeriesEntry:
    """The finished items of a series. An entry never changes; `with_item` returns a new one.

    The runs are sorted and do not overlap. Items that finish in order make one run, so that saving the next item takes
    the same time whatever the number of items is.
    """

    def __init__(self, digest: str, runs: Iterable[Run] = ()) -> None:
        self.digest = digest
        self._runs = list(runs)

    @classmethod
    def parse(cls, entry: str, digest: str) -> Self:
        """Return the items of an entry in its text form. The result is empty if the entry has another digest."""
        found, *parts = entry.split(" ")
        if found != digest:
            return cls(digest)
        return cls(digest, sorted(run for part in parts for run in _parse_part(part)))

    def __str__(self) -> str:
        """Return the text form. `parse` is the inverse."""
        runs_of: dict[int, list[str]] = {}
        for first, last, fence in self._runs:
            runs_of.setdefault(fence, []).append(f"{first}" if first == last else f"{first}-{last}")
        return " ".join((self.digest, *(f"{fence}:{','.join(runs_of[fence])}" for fence in sorted(runs_of))))

    def fence(self, number: int) -> int | None:
        """Return the fencing token under which an item finished; None if it has not finished."""
        at = self._position(number)
        return self._runs[at - 1].fence if at and self._runs[at - 1].last >= number else None

    def with_item(self, number: int, fence: int) -> Self:
        """Return the entry with this item under this token."""
        runs, at = self._runs, self._position(number)
        before, after = runs[:at], runs[at:]
        if before and before[-1].last >= number:
            # The item finished before, and its checkpoint is gone. Split the run around it.
            old = before.pop()
            before += [Run(old.first, number - 1, old.fence)] if old.first < number else []
            after[:0] = [Run(number + 1, old.last, old.fence)] if number < old.last else []
        near = _merged([*before[-1:], Run(number, number, fence), *after[:1]])
        return type(self)(self.digest, [*before[:-1], *near, *after[1:]])

    def numbers(self) -> list[int]:
        """Return the numbers of the finished items, in order."""
        return [number for first, last, _ in self._runs for number in range(first, last + 1)]

    def _position(self, number: int) -> int:
        """Return how many runs begin at or before the item."""
        return bisect_right(self._runs, number, key=itemgetter(0))


def _parse_part(part: str) -> Iterable[Run]:
    fence, _, runs = part.partition(":")
    for run in runs.split(","):
        first, _, last = run.partition("-")
        yield Run(int(first), int(last or first), int(fence))


def _merged(runs: list[Run]) -> list[Run]:
    """Return sorted runs, with adjacent runs of the same token as one."""
    merged: list[Run] = []
    for run in runs:
        if merged and merged[-1].last + 1 == run.first and merged[-1].fence == run.fence:
            merged[-1] = Run(merged[-1].first, run.last, run.fence)
        else:
            merged.append(run)
    return merged
