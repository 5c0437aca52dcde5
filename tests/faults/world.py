"""A service in virtual time: workers, sweepers and callers over stores that fail, with everything that can go wrong."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from analysis_jobs import Admission, Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base import ids
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.request_errors import StateConflictError
from analysis_jobs.jobs.tiers import TierRequest, Tiers
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker import heartbeat
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.faults.baton import Actor, Baton, Process, TurnClock, run
from tests.faults.invariants import LEASE, Invariants, call_bound
from tests.faults.ledger import ALONE, Ledger
from tests.faults.ports import Network, Order, SeenStore, SentMessage, TurnArtifacts, TurnModel, TurnQueue
from tests.handlers.builders import MINUTE, QUEUE_ARN, SECOND, START, Book, Value, some_settings

SWEEP = MINUTE
TIERS = ("gold", "silver", "free")
# Results and inputs of more bytes than this are artifacts: those of `valuation` are, those of `brief` are not.
SETTINGS = some_settings(lease_s=LEASE.total_seconds(), heartbeat_s=15, inline_bytes=80)


def first(job: Job[Book]) -> dict[str, str]:
    return {"said": job.ask("first")}


def second(job: Job[Book]) -> Value:
    def item(number: int) -> str:
        return job.ask(f"second/item/{number}")

    return Value(text=" ".join([job.output(first)["said"], *job.each([0, 1], item, needs=20 * SECOND)]))


def only(job: Job[Book]) -> Value:
    return Value(text=job.ask("only"))


def tier_of(asked: TierRequest) -> str:
    """Return the tier that a book's number begins with."""
    return str(getattr(asked.request, "isbn")).split()[0]  # noqa: B009 - any request


def analyses(deadline: timedelta, tiers: Tiers | None = None) -> Analyses:
    """Return one of two stages that keeps what it has, and one that has a single chance."""
    parts: Any = {"request": Book, "result": Value, "deadline": deadline, "tiers": tiers}
    return Analyses(
        [
            Analysis("valuation", stages=[first, second], **parts),
            Analysis("brief", stages=[only], max_attempts=1, **parts),
            Analysis(ALONE, stages=[only], admission=Admission(), **parts),
        ]
    )


class World:
    """Everything, and what may happen next: each public method is one event."""

    def __init__(self, make_store: Callable[[TurnClock], JobStore], seed: int) -> None:
        self.baton = Baton()
        self.clock = TurnClock(self.baton, START)
        self.network = Network(self.baton)
        self.ledger = Ledger(Invariants(lambda: self.clock.latest, lambda key: self.artifacts.objects[key]))
        self.inner = make_store(self.clock)
        self.store = SeenStore(self.inner, self.network, self.ledger)
        self.queue = TurnQueue(self.network, self.ledger, self.clock)
        self.artifacts = TurnArtifacts(self.network, self.ledger)
        # In every other world jobs have tiers, and messages are turns.
        tiers = Tiers(order=TIERS, of=tier_of) if seed % 2 else None
        self.analyses = analyses(timedelta(minutes=(2, 10, 30)[seed % 3]), tiers)
        self.model = TurnModel(self.network, self.ledger)
        self.stalled: set[Process] = set()
        self.events = 0
        self.trace: list[str] = []
        self._submissions = 0
        self._visitors = 0

    # What happens by itself

    def step(self, actor: Actor, order: Order | None = None) -> None:
        """Let an actor run to its next request."""
        said = f"{actor.process}: {actor.at}{f' ({order.value})' if order else ''}"
        self._event(said)
        self.baton.step(actor, order)
        self.check()

    def kill(self, process: Process) -> None:
        """Kill a process where it is."""
        self._event(f"{process} dies")
        self.baton.kill(process)
        self.check()

    def advance(self, duration: timedelta) -> None:
        """Let time pass, or set the clock back."""
        self._event(f"the clock moves by {duration}")
        self.clock.advance(duration)

    def arrive(self, number: int) -> None:
        """Let a late request arrive."""
        self._event("a late request arrives")
        self.network.late.pop(number)()
        self.check()

    def lose(self, receipt: str) -> None:
        """Lose a message."""
        self._event(f"{receipt} is lost")
        self.queue.messages.pop(receipt, None)

    # Who comes

    def deliver(self, receipt: str, stop_after: timedelta | None = None) -> Process:
        """Give a worker a message that is there, which is deleted once it is handled."""
        self._event(f"{receipt} is delivered")
        return self._work(self.queue.receive(receipt), receipt, stop_after)

    def deliver_again(self, message: SentMessage) -> Process:
        """Give a worker a copy of a message that may be handled already."""
        self._event("a message is delivered again")
        return self._work(message, "a copy", None)

    def sweep(self) -> Process:
        """Start a sweep."""
        return self._come("sweeper", Sweeper(self.store, self.queue, SETTINGS, self.clock).sweep)

    def submit(self, analysis: str, key: str | None = None, tier: str = TIERS[0]) -> Process:
        """Let a caller submit a job, again where the idempotency key was used."""
        self._submissions += 1
        given = {"isbn": f"{tier} {key or self._submissions} {'x' * 80}"}
        subject = "books/1" if key or analysis == ALONE else None
        submission = Submission(analysis=analysis, input=given, subject=subject)
        submissions = SubmissionService(self.store, self.queue, self.artifacts, self.analyses, SETTINGS, self.clock)
        return self._come("api", lambda: submissions.submit_with_outcome("acme", submission, key))

    def cancel(self, key: JobKey) -> Process:
        """Let a caller cancel a job."""
        return self._come("api", lambda: self._control(JobControl.cancel, key))

    def retry(self, key: JobKey) -> Process:
        """Let a caller retry a job."""
        return self._come("api", lambda: self._control(JobControl.retry, key))

    def _control(self, what: Callable[[JobControl, JobKey], object], key: JobKey) -> None:
        with suppress(StateConflictError):  # any other error is a fault
            what(JobControl(self.store, self.queue, self.analyses, SETTINGS, self.clock), key)

    def _work(self, message: SentMessage, receipt: str, stop_after: timedelta | None) -> Process:
        stop_at = self.clock.now() + stop_after if stop_after else None

        def work() -> None:
            worker = Worker(
                self.store,
                self.queue,
                self.analyses,
                Services(self.artifacts, MemoryPromptStore(), self.model, SETTINGS),
                self.clock,
            )
            worker.handle(Message(message.key, QUEUE_ARN, receipt, message.tier_pointer), stop_at)
            self.baton.point("acknowledge")
            self.queue.messages.pop(receipt, None)

        return self._come("worker", work)

    def _come(self, kind: str, work: Callable[[], object]) -> Process:
        self._visitors += 1
        process = Process(kind, self._visitors)
        self._event(f"{process} begins")
        self.baton.spawn(process, work)
        return process

    def till(self, process: Process, at: str) -> Actor:
        """Let a process run alone until one of its actors is about to do something; its heartbeat goes first."""
        for _ in range(1_000):
            actors = [actor for actor in process.actors if not actor.over]
            if waiting := [actor for actor in actors if actor.at == at]:
                return waiting[0]
            ready = [actor for actor in actors if actor.ready()]
            assert ready, f"{process} waits, and is not about to {at}: {[actor.at for actor in actors]}"
            self.step(ready[-1])
        raise AssertionError(f"{process} never came to {at}")

    def end(self, process: Process) -> None:
        """Let a process run alone to its end."""
        while not process.over:
            self.step(next(actor for actor in process.actors if not actor.over and actor.ready()))

    # What must hold

    def check(self) -> None:
        """Fail where an invariant was broken, with what led there."""
        for process in self.baton.processes:
            if process.over and isinstance(process.error, AssertionError):
                self.ledger.broken.append(f"{process.kind}: {process.error}")
        if self.ledger.broken:
            raise AssertionError("\n".join([*self.trace[-40:], *self.ledger.broken]))

    def sweep_alone(self) -> None:
        """Sweep while nobody else does anything: afterwards nothing is overdue but what is at work."""
        others = [process for process in self.baton.processes if not process.over]
        sweeper = self.sweep()
        while not sweeper.over:
            self.step(sweeper.actors[0])
        assert others == [process for process in self.baton.processes if not process.over]
        now = self.clock.now()
        for key, life in self.ledger.lives.items():
            row = life.row
            held = row.status == "processing" and row.lease_until and row.lease_until > now
            if row.due_at and row.due_at <= now and not held:
                self.ledger.broken.append(f"sweeping: {key} is overdue after a sweep: {row}")
        self.check()

    def calm_down(self, *, keep_messages: bool) -> None:
        """End the chaos: everybody finishes, and from then on everything works. Every job must end, in time."""
        while self.network.late:
            self.arrive(0)
        self._finish()
        if not keep_messages:
            self.queue.messages.clear()
        latest = max((life.row.deadline for life in self.ledger.lives.values()), default=START)
        stop = max(latest, self.clock.now()) + LEASE + SWEEP
        dead = {key for key, life in self.ledger.lives.items() if life.row.status == "processing"}
        calm_at = self.clock.now()
        while any(not life.row.status.ended for life in self.ledger.lives.values()):
            assert self.clock.now() <= stop, f"jobs do not end: {self.ledger.lives}"
            self.clock.advance(SWEEP)
            self.sweep_alone()
            for receipt in self.queue.visible():
                self.deliver(receipt)
            self._finish()
            if self.clock.now() >= calm_at + 2 * LEASE + SWEEP:
                left = [key for key in dead if self.ledger.lives[key].row.status == "processing"]
                assert not left, f"jobs of dead workers are left behind: {left}"
        self._check_the_end()

    def _check_the_end(self) -> None:
        for key, life in self.ledger.lives.items():
            assert self.inner.get(key) == life.row, "the table holds what nobody wrote"
            calls = sum(life.calls.values())
            assert calls <= call_bound(life), f"{calls} model calls under {len(life.claims)} claims: {life.calls}"
            assert life.ends == life.retries + 1, f"{life.ends} ends, {life.retries} retries"

    def _finish(self) -> None:
        self.stalled.clear()
        run(self.baton, self.clock)
        self.check()

    def _event(self, said: str) -> None:
        self.events += 1
        self.trace.append(said)


@contextmanager
def a_world(make_store: Callable[[TurnClock], JobStore], seed: int) -> Iterator[World]:
    """Give a world whose heartbeats take turns too, and whose chances are the seed's; nothing is left running."""
    world = World(make_store, seed)
    chances = SimpleNamespace(randbits=random.Random(seed).getrandbits)
    random.seed(seed)  # backoff, and the order of the shards
    with patch.object(heartbeat, "Thread", world.baton.thread), patch.object(ids, "secrets", chances):
        try:
            yield world
        finally:
            for process in list(world.baton.processes):
                world.baton.kill(process)
