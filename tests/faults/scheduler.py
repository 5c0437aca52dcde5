"""A deterministic scheduler of threads: exactly one thread runs at a time, from one scheduling point to the next.

The code under test is the shipped code. Its stores, queue, model and clock call `Scheduler.point` before each request
and after each reply. There the thread blocks until the driver (a random walk or a written scenario) gives it the next
turn, or kills its process. So the driver chooses every interleaving, and the same choices give the same run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

from analysis_jobs.base.clock import ManualClock


class Killed(BaseException):
    """The process was killed. Raised in each of its actors, at the point where the actor waits."""


@dataclass(eq=False)
class Process:
    """A group of threads that die together, such as an invocation and its heartbeat.

    `kind`: worker, sweeper, api or eraser.
    """

    kind: str
    number: int = 0
    alive: bool = True
    actors: list["Actor"] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def over(self) -> bool:
        """Whether all of its actors have ended."""
        return all(actor.over for actor in self.actors)

    @property
    def error(self) -> BaseException | None:
        """The exception that ended its first actor, if any."""
        return self.actors[0].error


class Actor:
    """One thread of a process.

    `at` names the scheduling point where it waits. `until` is the time at which a timed wait ends. `ready` says whether
    it can go on. `fault` is what the driver passed with the last turn.
    """

    def __init__(self, process: Process, work: Callable[[], object], gone: Callable[[], None]) -> None:
        self.process = process
        self.at = "start"
        self.ready: Callable[[], bool] = lambda: True
        self.until: datetime | None = None
        self.fault: Any = None
        self.error: BaseException | None = None
        self.over = False
        self.begun = False
        self._work = work
        self._gone = gone
        self.turn = Lock()
        self.turn.acquire()
        self._thread = Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Start the thread. This is its first turn."""
        self.begun = True
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the driver reads the error
            self.error = error
        self.over = True
        self._gone()


class Scheduler:
    """Lets one actor run at a time. `step` returns when that actor reaches its next scheduling point, or ends."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.current: Actor | None = None
        self._back = Lock()
        self._back.acquire()

    def spawn(self, process: Process, work: Callable[[], object]) -> Actor:
        """Add an actor to a process. Its thread starts with its first turn."""
        if process not in self.processes:
            self.processes.append(process)
        actor = Actor(process, work, self._back.release)
        process.actors.append(actor)
        return actor

    def point(self, at: str, ready: Callable[[], bool] | None = None, until: datetime | None = None) -> Any:
        """Block the calling actor until its next turn; return the fault that the driver chose for it, or None.

        The driver gives no turn before `ready` returns true. Raises `Killed` if the process was killed meanwhile.
        """
        actor = self.current
        if actor is None:
            return None  # called by the driver, which never waits
        self._check_alive(actor)
        actor.at, actor.ready, actor.until = at, ready or (lambda: True), until
        self._back.release()
        actor.turn.acquire()
        self._check_alive(actor)
        return actor.fault

    def _check_alive(self, actor: Actor) -> None:
        if not actor.process.alive:
            raise Killed

    def runnable(self) -> list[Actor]:
        """Return the actors that can take the next turn."""
        self.processes = [process for process in self.processes if not process.over]
        actors = [actor for process in self.processes for actor in process.actors]
        return [actor for actor in actors if not actor.over and actor.ready()]

    def step(self, actor: Actor, fault: Any = None) -> None:
        """Let an actor run to its next scheduling point, or to its end."""
        actor.fault = fault
        before, self.current = self.current, actor
        if actor.begun:
            actor.turn.release()
        else:
            actor.begin()
        self._back.acquire()
        self.current = before

    def kill(self, process: Process) -> None:
        """Kill a process where it waits. It makes no further request."""
        process.alive = False
        for actor in process.actors:
            if not actor.begun:
                actor.over = True
            while not actor.over:
                self.step(actor)

    def thread(self, target: Callable[[], None], **_: object) -> "ActorThread":
        """Replace `threading.Thread`: the new thread becomes an actor of the process that creates it."""
        assert self.current is not None
        return ActorThread(self, self.current.process, target)


class ActorThread:
    """The part of `threading.Thread` that the library uses."""

    def __init__(self, scheduler: Scheduler, process: Process, work: Callable[[], None]) -> None:
        self._scheduler, self._process, self._work = scheduler, process, work
        self._actor: Actor | None = None

    def start(self) -> None:
        """See `Thread.start`."""
        self._actor = self._scheduler.spawn(self._process, self._work)

    def join(self) -> None:
        """See `Thread.join`."""
        actor = self._actor
        assert actor is not None
        self._scheduler.point("join", lambda: actor.over)


class VirtualClock(ManualClock):
    """A clock that only the driver moves. An actor that sleeps gets no turn before its time has come."""

    def __init__(self, scheduler: Scheduler, start: datetime) -> None:
        super().__init__(start)
        self._scheduler = scheduler
        self.latest = start  # the highest time shown so far, because the driver may set the clock back

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
        self._scheduler.point("wait", lambda: event.is_set() or self.now() >= until, until)
        return event.is_set()


def run(scheduler: Scheduler, clock: VirtualClock, *, for_at_most: timedelta = timedelta(days=2)) -> None:
    """Run all actors until they have ended. When all of them wait, move the clock to the end of the first wait."""
    stop = clock.now() + for_at_most
    while True:
        while ready := scheduler.runnable():
            for actor in ready:
                if not actor.over and actor.ready():
                    scheduler.step(actor)
        if not scheduler.processes:
            return
        actors = [actor for process in scheduler.processes for actor in process.actors if not actor.over]
        waiting = [actor.until for actor in actors if actor.until]
        assert waiting, "deadlock: the actors wait for each other"
        assert clock.now() < stop, f"actors still wait after {for_at_most}"
        clock.advance(min(waiting) - clock.now())
