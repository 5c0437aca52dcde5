"""Simulates how jobs share invocations: how long invocations last, with jobs of unequal duration.

One lane of a standard queue. Lambda's pollers start an invocation for each batch that they receive. An invocation with
free slots receives further messages of its lane, as long as it has enough time left. A message goes to one of all that
wait for messages, with equal probability, as with long polling. The result is the same in every run.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

SEED = 20_261_128
# Lambda begins with five pollers: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
POLLERS = 5
BATCH = 10


@dataclass(frozen=True)
class Worker:
    """The settings of a worker. An invocation takes no further job when less than `needed_s` of its time is left."""

    slots: int
    timeout_s: float = 900
    stop_margin_s: float = 15
    needed_s: float = 600
    refills: bool = True
    maximum_concurrency: int | None = None


@dataclass
class Packed:
    """What the jobs took: seconds of invocations, invocations, and jobs that an invocation received by itself."""

    jobs: int = 0
    invocation_s: float = 0
    invocations: int = 0
    refilled: int = 0

    @property
    def jobs_at_once(self) -> float:
        """How many jobs share each second of an invocation, if the mean job takes `mean_s`."""
        return self.job_s / self.invocation_s if self.invocation_s else 0

    job_s: float = 0


@dataclass(order=True)
class _Invocation:
    begun: float
    number: int
    ends: list[float] = field(default_factory=list, compare=False)
    last: float = field(default=0, compare=False)


def durations(count: int, mean_s: float, variation: float, seed: int = SEED) -> list[float]:
    """Return log-normal durations. `variation` is the standard deviation over the mean; 0 gives equal durations."""
    if not variation:
        return [mean_s] * count
    chance = random.Random(seed)  # noqa: S311 - a simulation
    sigma = math.sqrt(math.log(1 + variation**2))
    return [chance.lognormvariate(math.log(mean_s) - sigma**2 / 2, sigma) for _ in range(count)]


def arrivals(count: int, per_s: float, seed: int = SEED + 1) -> list[float]:
    """Return the times of random arrivals with this rate. A rate of 0 means that all arrive at once."""
    if not per_s:
        return [0.0] * count
    chance, now, times = random.Random(seed), 0.0, []  # noqa: S311 - a simulation
    for _ in range(count):
        now += chance.expovariate(per_s)
        times.append(now)
    return times


def simulated(worker: Worker, times: Sequence[float], lengths: Sequence[float]) -> Packed:
    """Return what jobs that arrive at `times` and take `lengths` cost in invocations."""
    return _Lane(worker).run(times, lengths)


class _Lane:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._chance = random.Random(SEED + 2)  # noqa: S311 - a simulation
        self._running: list[_Invocation] = []
        self._packed = Packed()
        self._waiting: list[float] = []  # the lengths of jobs in the queue, the oldest first

    def run(self, times: Sequence[float], lengths: Sequence[float]) -> Packed:
        events = [(time, number) for number, time in enumerate(times)]
        heapq.heapify(events)
        arrived = len(times)
        while events:
            now, number = heapq.heappop(events)
            self._end(now)
            if number < arrived:
                self._waiting.append(lengths[number])
            # Everything that happens at one moment happens before messages are received: a burst fills batches.
            if not (events and events[0][0] == now):
                for moment in self._receive(now):
                    heapq.heappush(events, (moment, arrived))
        for invocation in self._running:
            self._count(invocation)
        return self._packed

    def _receive(self, now: float) -> list[float]:
        """Hand out messages. Return the moments at which a job ends: then a slot is free."""
        ends: list[float] = []
        while self._waiting:
            free = [each for each in self._running if self._has_room(each, now)] if self._worker.refills else []
            most = self._worker.maximum_concurrency
            pollers = POLLERS if most is None or len(self._running) < most else 0
            if not free and not pollers:
                break
            chosen = self._chance.randrange(len(free) + pollers)
            if chosen < len(free):
                self._packed.refilled += 1
                ends.append(self._begin(free[chosen], now))
                continue
            invocation = _Invocation(now, self._packed.invocations, last=now)
            self._packed.invocations += 1
            self._running.append(invocation)
            batch = min(self._worker.slots, BATCH, len(self._waiting))
            ends.extend([self._begin(invocation, now) for _ in range(batch)])
        return ends

    def _begin(self, invocation: _Invocation, now: float) -> float:
        length = self._waiting.pop(0)
        self._packed.jobs += 1
        self._packed.job_s += length
        end = now + length
        invocation.ends.append(end)
        invocation.last = max(invocation.last, end)
        return end

    def _has_room(self, invocation: _Invocation, now: float) -> bool:
        left = invocation.begun + self._worker.timeout_s - self._worker.stop_margin_s - now
        return len(invocation.ends) < self._worker.slots and left >= self._worker.needed_s

    def _end(self, now: float) -> None:
        for invocation in self._running:
            invocation.ends = [end for end in invocation.ends if end > now]
        for invocation in [each for each in self._running if not each.ends]:
            self._running.remove(invocation)
            self._count(invocation)

    def _count(self, invocation: _Invocation) -> None:
        self._packed.invocation_s += invocation.last - invocation.begun
