"""Simulates how jobs share invocations: how long invocations last, with jobs of unequal duration.

One lane of a standard queue. Lambda's pollers start an invocation for each batch that they receive. They begin with
five invocations at a time, and with more of them as long as messages wait. An invocation with free slots asks for
further messages by the rules of `analysis_jobs.worker.slots`: at once after a full batch, else first after some
seconds, for longer the older it is, no more when too little time is left, and after twelve answers without a message
only when a job has ended. A message goes to one of all that ask at that moment, in proportion to how much of the time
each of them asks. The result is the same in every run.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

SEED = 20_261_128
# Lambda begins with five batches at a time. While messages are left, it adds up to 300 a minute, and it ends at 1,000:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
# The page also says that it goes back to five when traffic is low, but not when. Here it never does: that costs more.
POLLERS, MORE_POLLERS_PER_S, MOST_BATCHES = 5, 5, 1_000
# A delivered batch, and an answer of SQS, have ten messages at most. A full batch makes the invocation ask at once.
BATCH = 10
# The rules of `analysis_jobs.worker.slots`; a test compares them.
FIRST_ASKED_S, INTERVAL_S, WAIT_PART, MOST_EMPTY = 5, 5, 20, 12
EXPECTED_MARGIN, SEEN_MARGIN = 2, 1.25


@dataclass(frozen=True)
class Worker:
    """The settings of a worker, and how long a job is declared to take (`expected_s`)."""

    slots: int
    timeout_s: float = 900
    stop_margin_s: float = 15
    expected_s: float = 300
    refills: bool = True
    maximum_concurrency: int | None = None


@dataclass
class Packed:
    """What the jobs took.

    `invocation_s` are the seconds of all invocations, `job_s` those of all jobs. `refilled` are jobs that an invocation
    received by itself, `receives` its requests for them. `continued` are jobs that did not fit into their invocation.
    """

    jobs: int = 0
    job_s: float = 0
    invocation_s: float = 0
    invocations: int = 0
    refilled: int = 0
    receives: float = 0
    continued: int = 0

    @property
    def jobs_at_once(self) -> float:
        """How many jobs share each second of an invocation, on average."""
        return self.job_s / self.invocation_s if self.invocation_s else 0


@dataclass
class _Invocation:
    begun: float
    stop: float
    ends: list[float] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)
    last: float = 0
    longest: float = 0
    asks_since: float = 0


def durations(jobs: int, mean_s: float, variation: float, seed: int = SEED) -> list[float]:
    """Return log-normal durations. `variation` is the standard deviation over the mean; 0 gives equal durations."""
    if not variation:
        return [mean_s] * jobs
    chance = random.Random(seed)  # noqa: S311 - a simulation
    sigma = math.sqrt(math.log(1 + variation**2))
    return [chance.lognormvariate(math.log(mean_s) - sigma**2 / 2, sigma) for _ in range(jobs)]


def arrivals(jobs: int, per_s: float, seed: int = SEED + 1) -> list[float]:
    """Return the times of random arrivals with this rate. A rate of 0 means that all arrive at once."""
    if not per_s:
        return [0.0] * jobs
    chance, now, times = random.Random(seed), 0.0, []  # noqa: S311 - a simulation
    for _ in range(jobs):
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
        # Moments at which something happens: a job of this length arrives, or None: an invocation may ask again.
        self._events: list[tuple[float, int, float | None]] = []
        self._numbers = count()
        # How many batches Lambda processes at a time, and when it raises that number.
        self._batches = POLLERS
        self._raised_at: float | None = None

    def run(self, times: Sequence[float], lengths: Sequence[float]) -> Packed:
        for time, each in zip(times, lengths, strict=True):
            self._at(time, each)
            self._packed.jobs += 1
            self._packed.job_s += each
        while self._events:
            now, _, length = heapq.heappop(self._events)
            self._end(now)
            if length is not None:
                self._waiting.append(length)
            # Everything that happens at one moment happens before messages are received: a burst fills batches.
            if not (self._events and self._events[0][0] == now):
                self._receive(now)
        self._end(math.inf)
        return self._packed

    def _at(self, moment: float, length: float | None = None) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), length))

    def _receive(self, now: float) -> None:
        """Hand out messages, as long as anybody asks for one."""
        if self._raised_at is not None and now >= self._raised_at:
            self._batches = min(self._batches + MORE_POLLERS_PER_S, MOST_BATCHES)
            self._raised_at = None
        most = min(self._batches, self._worker.maximum_concurrency or MOST_BATCHES)
        while self._waiting:
            asking = [(each, share) for each in self._running if (share := self._asks(each, now))]
            pollers = POLLERS if len(self._running) < most else 0
            total = sum(share for _, share in asking)
            if not total + pollers:
                break
            chosen = self._chance.random() * (total + pollers)
            for invocation, share in asking:
                chosen -= share
                if chosen < 0:
                    self._ask_again(invocation, now)
                    self._packed.refilled += 1
                    self._begin(invocation, now)
                    break
            else:
                self._invoke(now)
        if self._waiting and self._raised_at is None and most == self._batches < MOST_BATCHES:
            self._raised_at = now + 1
            self._at(self._raised_at)

    def _invoke(self, now: float) -> None:
        invocation = _Invocation(now, now + self._worker.timeout_s - self._worker.stop_margin_s)
        invocation.asks_since = now + FIRST_ASKED_S
        self._packed.invocations += 1
        self._running.append(invocation)
        delivered = min(self._worker.slots, BATCH, len(self._waiting))
        for _ in range(delivered):
            self._begin(invocation, now)
        if delivered == BATCH and self._worker.refills:
            self._fill(invocation, now)
        self._at(now + FIRST_ASKED_S)

    def _fill(self, invocation: _Invocation, now: float) -> None:
        """Receive until the slots are full, or the queue is empty."""
        while free := self._worker.slots - len(invocation.ends):
            received = min(free, BATCH, len(self._waiting))
            self._packed.receives += 1
            if not received:
                break
            self._packed.refilled += received
            for _ in range(received):
                self._begin(invocation, now)

    def _begin(self, invocation: _Invocation, now: float) -> None:
        length = self._waiting.pop(0)
        end = min(now + length, invocation.stop)
        if end < now + length:  # it continues in another invocation
            self._packed.continued += 1
            self._at(end, now + length - end)
        invocation.ends.append(end)
        invocation.begins.append(now)
        invocation.last = max(invocation.last, end)
        self._at(end)

    def _asks(self, invocation: _Invocation, now: float) -> float:
        """Return the share of its time for which an invocation waits for a message at this moment."""
        if not self._worker.refills or len(invocation.ends) >= self._worker.slots:
            return 0
        if not invocation.asks_since <= now < invocation.asks_since + MOST_EMPTY * INTERVAL_S:
            return 0
        seen = max(invocation.longest, now - min(invocation.begins))
        needed = max(EXPECTED_MARGIN * self._worker.expected_s, SEEN_MARGIN * seen)
        age = now - invocation.begun
        return min(1, age / WAIT_PART / INTERVAL_S) if invocation.stop - now >= needed else 0

    def _ask_again(self, invocation: _Invocation, now: float) -> None:
        """Begin to count receives without a message again."""
        if self._worker.refills and now > invocation.asks_since:
            self._packed.receives += min(MOST_EMPTY, (now - invocation.asks_since) / INTERVAL_S)
            invocation.asks_since = now

    def _end(self, now: float) -> None:
        for invocation in list(self._running):
            jobs = list(zip(invocation.begins, invocation.ends, strict=True))
            over = [(begun, end) for begun, end in jobs if end <= now]
            if not over:
                continue
            invocation.longest = max([invocation.longest, *(end - begun for begun, end in over)])
            left = [(begun, end) for begun, end in jobs if end > now]
            invocation.begins, invocation.ends = [begun for begun, _ in left], [end for _, end in left]
            self._ask_again(invocation, min(now, invocation.last))
            if not left:
                self._running.remove(invocation)
                self._packed.invocation_s += invocation.last - invocation.begun
