"""Actors that take turns: threads of which one at a time runs, from one point to the next.

The code under test runs as it is shipped. Whatever it is handed (its stores, queue, model and clock) calls `point`,
and there it waits for its next turn, or for its death: whoever drives the actors decides about every interleaving.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

from analysis_jobs.base.clock import ManualClock


class Killed(BaseException):
    """The process is no more: raised in each of its actors, at the point where it waits."""


@dataclass(eq=False)
class Process:
    """What dies at once: an invocation, with its heartbeat. `kind` is worker, sweeper or api."""

    kind: str
    number: int = 0
    alive: bool = True
    actors: list["Actor"] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def over(self) -> bool:
        """Whether none of its actors runs any more."""
        return all(actor.over for actor in self.actors)

    @property
    def error(self) -> BaseException | None:
        """What its first actor ended with."""
        return self.actors[0].error


class Actor:
    """One thread of a process. `at` says which point it waits at, `until` the time at which it goes on by itself."""

    def __init__(self, process: Process, work: Callable[[], object], gone: Callable[[], None]) -> None:
        self.process = process
        self.at = "start"
        self.ready: Callable[[], bool] = lambda: True
        self.until: datetime | None = None
        self.order: Any = None
        self.error: BaseException | None = None
        self.over = False
        self.begun = False
        self._work = work
        self._gone = gone
        self.tier_pointer = Lock()
        self.tier_pointer.acquire()
        self._thread = Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Start the thread: with its first turn."""
        self.begun = True
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the driver looks at what an actor ended with
            self.error = error
        self.over = True
        self._gone()


class Baton:
    """Hands the turn to one actor, and takes it back at the actor's next point."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.current: Actor | None = None
        self._back = Lock()
        self._back.acquire()

    def spawn(self, process: Process, work: Callable[[], object]) -> Actor:
        """Add an actor; it does nothing before its first turn."""
        if process not in self.processes:
            self.processes.append(process)
        actor = Actor(process, work, self._back.release)
        process.actors.append(actor)
        return actor

    def point(self, at: str, ready: Callable[[], bool] | None = None, until: datetime | None = None) -> Any:
        """Wait for the next turn, which comes once `ready`; return the order that comes with it."""
        actor = self.current
        if actor is None:
            return None  # the driver itself
        self._live(actor)
        actor.at, actor.ready, actor.until = at, ready or (lambda: True), until
        self._back.release()
        actor.tier_pointer.acquire()
        self._live(actor)
        return actor.order

    def _live(self, actor: Actor) -> None:
        if not actor.process.alive:
            raise Killed

    def runnable(self) -> list[Actor]:
        """Return the actors whose turn it may be."""
        self.processes = [process for process in self.processes if not process.over]
        actors = [actor for process in self.processes for actor in process.actors]
        return [actor for actor in actors if not actor.over and actor.ready()]

    def step(self, actor: Actor, order: Any = None) -> None:
        """Let an actor run to its next point, or to its end."""
        actor.order = order
        before, self.current = self.current, actor
        if actor.begun:
            actor.tier_pointer.release()
        else:
            actor.begin()
        self._back.acquire()
        self.current = before

    def kill(self, process: Process) -> None:
        """End a process where it is. Nothing of it reaches the outside any more."""
        process.alive = False
        for actor in process.actors:
            if not actor.begun:
                actor.over = True
            while not actor.over:
                self.step(actor)

    def thread(self, target: Callable[[], None], **_: object) -> "ActorThread":
        """Stand in for `threading.Thread`: the new thread is an actor of the process that makes it."""
        assert self.current is not None
        return ActorThread(self, self.current.process, target)


class ActorThread:
    """As much of `threading.Thread` as the library uses."""

    def __init__(self, baton: Baton, process: Process, work: Callable[[], None]) -> None:
        self._baton, self._process, self._work = baton, process, work
        self._actor: Actor | None = None

    def start(self) -> None:
        """See `Thread.start`."""
        self._actor = self._baton.spawn(self._process, self._work)

    def join(self) -> None:
        """See `Thread.join`."""
        actor = self._actor
        assert actor is not None
        self._baton.point("join", lambda: actor.over)


class TurnClock(ManualClock):
    """A clock that the driver moves; whoever waits on it has no turn before the time has come."""

    def __init__(self, baton: Baton, start: datetime) -> None:
        super().__init__(start)
        self._baton = baton
        self.latest = start  # a clock that is set back was there before

    def advance(self, duration: timedelta) -> None:
        """See `ManualClock.advance`."""
        super().advance(duration)
        self.latest = max(self.latest, self.now())

    def sleep(self, duration: timedelta) -> None:
        """See `Clock.sleep`."""
        self.wait(Event(), duration)

    def wait(self, event: Event, duration: timedelta) -> bool:
        """See `Clock.wait`."""
        until = self.now() + duration
        self._baton.point("wait", lambda: event.is_set() or self.now() >= until, until)
        return event.is_set()


def run(baton: Baton, clock: TurnClock, *, for_at_most: timedelta = timedelta(days=2)) -> None:
    """Give every actor its turns in order until all are over; the clock moves when all of them wait."""
    stop = clock.now() + for_at_most
    while True:
        while ready := baton.runnable():
            for actor in ready:
                if not actor.over and actor.ready():
                    baton.step(actor)
        if not baton.processes:
            return
        actors = [actor for process in baton.processes for actor in process.actors if not actor.over]
        waiting = [actor.until for actor in actors if actor.until]
        assert waiting, "actors wait for each other"
        assert clock.now() < stop, "actors wait without end"
        clock.advance(min(waiting) - clock.now())
