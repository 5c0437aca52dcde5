"""Simulates partitions that take a limited number of units a second, second by second. It is the same in every run."""

from collections.abc import Sequence
from dataclasses import dataclass

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
PARTITION_WRITES = 1_000
# DynamoDB saves up to 300 s of unused capacity: …/developerguide/burst-adaptive-capacity.html
SAVED_S = 300


@dataclass(frozen=True)
class Flow:
    """What happened: the share of the units that was taken at once, and the second of the first refusal."""

    taken: float
    full_after_s: int | None


def simulated(per_s: Sequence[float], seconds: int, rate: float = PARTITION_WRITES, saved_s: float = SAVED_S) -> Flow:
    """Return what partitions do with a load. `per_s` has the units a second that each of them is asked for.

    Each partition begins with all that it can save. What it refuses is not asked again.
    """
    tokens = [rate * saved_s] * len(per_s)
    wanted = taken = 0.0
    full_after_s: int | None = None
    for second in range(seconds):
        for number, asked in enumerate(per_s):
            tokens[number] = min(rate * saved_s, tokens[number] + rate)
            got = min(asked, tokens[number])
            tokens[number] -= got
            wanted, taken = wanted + asked, taken + got
            if got < asked and full_after_s is None:
                full_after_s = second
    return Flow(taken / wanted if wanted else 1.0, full_after_s)


def equal_shares(total: float, partitions: int) -> list[float]:
    """Divide a load equally."""
    return [total / partitions] * partitions


def skewed_shares(total: float, partitions: int) -> list[float]:
    """Divide a load by Zipf's law: the second partition gets half of the first, the third a third of it."""
    weights = [1 / rank for rank in range(1, partitions + 1)]
    return [total * weight / sum(weights) for weight in weights]
