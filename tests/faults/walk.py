"""Random walks of the model check: one seed gives one interleaving.

At each step the walk either gives a turn to a process, perhaps with a fault, or makes something happen to the world:
the clock moves, a message is delivered or lost, a process is killed or stalled, a caller submits, cancels or retries.
"""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from analysis_jobs.jobs.transitions import ALL
from tests.faults.ports import Fault
from tests.faults.scheduler import Actor, Process
from tests.faults.world import TIERS, World
from tests.handlers.builders import MINUTE, SECOND

type Event = Callable[[], object]

_WORKERS, _SWEEPERS, _CALLERS, _MOST_JOBS = 3, 2, 2, 8
# The faults that may be injected at each scheduling point. Most requests succeed.
_WRITES = (Fault.FAIL, Fault.LOST, Fault.TWICE, Fault.LATE, Fault.TWIN)
_FAULTS: dict[str, tuple[Fault, ...]] = {
    "model": (Fault.THROTTLE, Fault.WAIT, Fault.RETRY, Fault.TIMEOUT, Fault.REFUSE),
    "read": (Fault.FAIL,),
    "look": (Fault.FAIL, Fault.LOST),
    "fetch": (Fault.FAIL,),
    "send": (Fault.FAIL, Fault.LOST, Fault.TWICE, Fault.LATE),
    "send all": (Fault.FAIL, Fault.LOST, Fault.TWICE, Fault.LATE, Fault.PARTLY),
    "extend": (Fault.FAIL, Fault.LOST),
    "put": (Fault.FAIL, Fault.LOST, Fault.TWICE),
    # No TWIN: a copy of a heartbeat that arrives after the next one may remove a checkpoint. The work is only repeated.
    "beat": (Fault.FAIL, Fault.LOST, Fault.TWICE, Fault.LATE),
    **dict.fromkeys(("answer", "wait", "join", "start", "acknowledge"), ()),
}
_PAUSES = {**dict.fromkeys(_FAULTS, 0.0), "beat": 0.1, "claim": 0.1}
_FOCUSES = (*(edge.name for edge in ALL), "put", "send", "send all", "together", "model")
_JUMPS = (1, 1, 5, 14, 16, 30, 61, 63, 125, 600, -1, -2)


class Walk:
    """Chooses the next event at random. `focus` names a scheduling point at which most processes are held up.

    `also` returns further events that can happen now.
    """

    def __init__(
        self,
        world: World,
        choose: random.Random,
        focus: str | None = None,
        also: Callable[[], list[tuple[str, Event]]] = list,
    ) -> None:
        self.world = world
        self.choose = choose
        self.chosen: Counter[str] = Counter()
        # Walks differ in their fault rates: with few faults jobs get further, with many they meet more cases.
        self.kills = self.choose.random() < 0.6
        self.jobs = self.choose.choice((1, 1, 3))
        self.trouble = self.choose.choice((0.02, 0.08, 0.2))
        self.pauses = self.choose.choice((0, 0.1, 0.4))
        # Most processes that reach this point are held up there. Others overtake them, and their writes become stale.
        self.focus = focus or self.choose.choice((None, *_FOCUSES))
        self.held: dict[Process, object] = {}
        self.also = also

    def go(self, events: int) -> None:
        """Run `events` events, then stop the faults and check that every job ends."""
        while self.world.events < events:
            self._next()
        for process in list(self.world.scheduler.processes):
            if self.choose.random() < 0.5:
                self.world.kill(process)
        self.world.settle(keep_messages=self.choose.random() < 0.5)

    def _next(self) -> None:
        for process, view in list(self.held.items()):
            # Release a held process, more likely once it was overtaken: then its write is stale.
            if self.choose.random() < (0.02 if view == self._view() else 0.08):
                self.world.stalled.discard(process)
                del self.held[process]
        actors = [actor for actor in self.world.scheduler.runnable() if actor.process not in self.world.stalled]
        if actors and self.choose.random() < 0.8:
            actor = self.choose.choice(actors)
            for _ in range(self.choose.choice((1, 1, 2, 5, 12))):
                if actor.over or not actor.ready() or actor.process in self.world.stalled:
                    break
                self.world.step(actor, self._fault(actor))
                if not actor.over and self.choose.random() < self._held_up(actor.at):
                    self.held[actor.process] = self._view()  # held between its read and its write
                    self.world.stalled.add(actor.process)
        else:
            name, event = self.choose.choice(self._events())
            self.chosen[name] += 1
            event()

    def _view(self) -> list[tuple[Any, ...]]:
        """Return the state of all jobs, to detect that a held process was overtaken."""
        rows = [life.row for life in self.world.ledger.lives.values()]
        return [(row.status, row.fence, row.lease_until, row.cancel_asked_at) for row in rows]

    def _held_up(self, at: str) -> float:
        """Return the probability that a process is held up at this scheduling point."""
        return 0.8 if at == self.focus else self.pauses * _PAUSES.get(at, 1)

    def _fault(self, actor: Actor) -> Fault | None:
        faults = _FAULTS.get(actor.at, _WRITES)
        return self.choose.choice(faults) if faults and self.choose.random() < self.trouble else None

    def _events(self) -> list[tuple[str, Event]]:
        world, choose = self.world, self.choose
        processes = [process for process in world.scheduler.processes if not process.over]
        count = Counter(process.kind for process in processes)
        lives = list(world.ledger.lives)
        events: list[tuple[str, Event]] = [("advance", self._advance)] * 4
        open_jobs = [key for key, life in world.ledger.lives.items() if not life.row.status.ended]
        if len(open_jobs) < self.jobs and len(lives) < _MOST_JOBS and count["api"] < _CALLERS:
            events += [("submit", self._submission())] * 3
        if processes:
            victim = choose.choice(processes)
            events += [] if victim in self.held else [("stall or wake", lambda: self._stall_or_wake(victim))] * 3
            events += [("kill", lambda: world.kill(victim))] * 2 * self.kills
        if count["sweeper"] < _SWEEPERS:
            events += [("sweep", world.sweep)] * (4 if self._overdue() else 1) + [("sweep alone", world.sweep_alone)]
        if world.network.late:
            events += [("late", lambda: world.arrive(choose.randrange(len(world.network.late))))] * 2
        if count["worker"] < _WORKERS:
            if visible := world.queue.visible():
                stop_after = choose.choice((None, 15 * SECOND, 40 * SECOND, 2 * MINUTE))
                events += [("deliver", lambda: world.deliver(choose.choice(visible), stop_after))] * 8
            if world.queue.sent:
                events += [("deliver again", lambda: world.deliver_again(choose.choice(world.queue.sent)))]
        if world.queue.messages and self.kills:
            events += [("lose", lambda: world.lose(choose.choice(list(world.queue.messages))))]
        if lives and count["api"] < _CALLERS:
            key_of_job = choose.choice(lives[-3:])
            ended = world.ledger.lives[key_of_job].row.status.ended
            events += [("cancel", lambda: world.cancel(key_of_job))] * (1 if ended else 2)
            events += [("retry", lambda: world.retry(key_of_job))] * (2 if ended else 1)
        return events + self.also()

    def _submission(self) -> Event:
        analysis, key = self.choose.choice(("valuation", "valuation", "brief")), self.choose.choice((None, "k"))
        tier = self.choose.choice(TIERS) if key is None else TIERS[0]
        return lambda: self.world.submit(analysis if key is None else "valuation", key, tier)

    def _advance(self) -> None:
        """Move the clock by a fixed step, or to the next time that matters to a job."""
        now, rows = self.world.clock.now(), [life.row for life in self.world.ledger.lives.values()]
        rare = [row.deadline for row in rows if self.choose.random() < 0.1]
        moments = [*rare, *(at for row in rows for at in (row.due_at, row.lease_until, row.not_before) if at)]
        soon = [at - now for at in moments if timedelta() <= at - now < timedelta(hours=1)]
        if soon and self.choose.random() < 0.5:
            self.world.advance(self.choose.choice(soon) + self.choose.choice((timedelta(), SECOND)))
        else:
            self.world.advance(timedelta(seconds=self.choose.choice(_JUMPS)))

    def _overdue(self) -> bool:
        now = self.world.clock.now()
        return any(life.row.due_at and life.row.due_at <= now for life in self.world.ledger.lives.values())

    def _stall_or_wake(self, process: Process) -> None:
        self.world.stalled ^= {process}
