"""The system under the model check: the shipped worker, sweeper and API over ports that can fail, in virtual time.

`World` builds the service and offers every event that can happen to it: a request is made, a process dies, the clock
moves, a message is delivered or lost, a caller submits, cancels or retries. `walk` chooses the events at random.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from analysis_jobs import Admission, Analysis, Job, Rate
from analysis_jobs.authoring import checkpoint_list
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base import ids, tracing
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.request_errors import RateLimitedError, StateConflictError
from analysis_jobs.jobs.tiers import TierRequest, Tiers
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.sweeper import one_sweep
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker import heartbeat
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.faults.contexts import Contexts
from tests.faults.invariants import LEASE, Invariants, call_bound
from tests.faults.ledger import ALONE, RATED, Ledger
from tests.faults.ports import (
    Fault,
    Network,
    ObservedArtifacts,
    ObservedStore,
    ScheduledModel,
    SentMessage,
    VirtualQueue,
)
from tests.faults.scheduler import Actor, Process, Scheduler, VirtualClock, run
from tests.handlers.builders import MINUTE, QUEUE_ARN, SECOND, START, Book, Value, some_settings

SWEEP = MINUTE
TIERS = ("gold", "silver", "free")
# Inputs and results above `inline_bytes` become artifacts. Those of `valuation` are above it, those of `brief` below.
SETTINGS = some_settings(lease_s=LEASE.total_seconds(), heartbeat_s=15, inline_bytes=80)


def first(job: Job[Book]) -> dict[str, str]:
    return {"said": job.ask("first")}


def second(job: Job[Book]) -> Value:
    def item(number: int) -> str:
        return job.ask(f"second/item/{number}")

    return Value(text=" ".join([job.output(first)["said"], *job.each([0, 1], item, needs=20 * SECOND)]))


def second_by_name(job: Job[Book]) -> Value:
    """Do the work of `second` with a checkpoint of its own for each item."""

    def item(number: int) -> str:
        said = job.saved(f"item-{number}")
        if said is None:
            said = job.ask(f"second/item/{number}")
            job.checkpoint(f"item-{number}", said)
        return str(said)

    return Value(text=" ".join([job.output(first)["said"], item(0), item(1)]))


RATE = Rate(3, timedelta(days=1))


def only(job: Job[Book]) -> Value:
    return Value(text=job.ask("only"))


def tier_of(asked: TierRequest) -> str:
    """Return the tier: the first word of the book's number."""
    return str(getattr(asked.request, "isbn")).split()[0]  # noqa: B009 - any request


def analyses(deadline: timedelta, tiers: Tiers | None = None, *, many_names: bool = False) -> Analyses:
    """Return four analyses: two stages with checkpoints; one attempt; one active job for each subject; a rate.

    With `many_names` the first one has a checkpoint for each unit of work.
    """
    parts: Any = {"request": Book, "result": Value, "deadline": deadline, "tiers": tiers}
    return Analyses(
        [
            Analysis("valuation", stages=[first, second_by_name if many_names else second], **parts),
            Analysis("brief", stages=[only], max_attempts=1, **parts),
            Analysis(ALONE, stages=[only], admission=Admission(), **parts),
            Analysis(RATED, stages=[only], admission=Admission(one_active=False, at_most=RATE), **parts),
        ]
    )


class World:
    """The service under test and its processes. Each public method in the first two groups is one event."""

    def __init__(self, make_store: Callable[[VirtualClock], JobStore], seed: int) -> None:
        self.scheduler = Scheduler()
        self.clock = VirtualClock(self.scheduler, START)
        self.network = Network(self.scheduler)
        self.ledger = Ledger(Invariants(lambda: self.clock.latest, lambda key: self.artifacts.objects[key]))
        self.inner = make_store(self.clock)
        self.store = ObservedStore(self.inner, self.network, self.ledger)
        self.queue = VirtualQueue(self.network, self.ledger, self.clock)
        self.artifacts = ObservedArtifacts(self.network, self.ledger)
        # With odd seeds, jobs have tiers. Then each message starts the best waiting job, and not the job that sent it.
        tiers = Tiers(order=TIERS, of=tier_of) if seed % 2 else None
        # In half of the walks most workers run several jobs. What kills one of them kills the others too. For each job
        # that is a death like any other, so one process still stands for one job.
        self.packed = seed % 8 >= 4
        self.analyses = analyses(timedelta(minutes=(2, 10, 30)[seed % 3]), tiers, many_names=has_lists(seed))
        self.model = ScheduledModel(self.network, self.ledger)
        self.stalled: set[Process] = set()
        self.events = 0
        self.trace: list[str] = []
        self._submissions = 0
        self._visitors = 0

    # Events that no process starts

    def step(self, actor: Actor, fault: Fault | None = None) -> None:
        """Let an actor run to its next request, which then meets `fault`, and check the invariants."""
        said = f"{actor.process}: {actor.at}{f' ({fault.value})' if fault else ''}"
        self._event(said)
        self.scheduler.step(actor, fault)
        self.check()

    def kill(self, process: Process) -> None:
        """Kill a process at the point where it waits."""
        self._event(f"{process} dies")
        self.scheduler.kill(process)
        self.check()

    def advance(self, duration: timedelta) -> None:
        """Move the clock forward, or back if `duration` is negative."""
        self._event(f"the clock moves by {duration}")
        self.clock.advance(duration)

    def arrive(self, number: int) -> None:
        """Execute a delayed request: `number` is its index in `network.late`."""
        self._event("a late request arrives")
        self.network.late.pop(number)()
        self.check()

    def lose(self, receipt: str) -> None:
        """Remove a message from the queue without a delivery."""
        self._event(f"{receipt} is lost")
        self.queue.messages.pop(receipt, None)

    # Events that start a process

    def deliver(
        self, receipt: str, stop_after: timedelta | None = None, *, shared: bool | None = None, late: bool = False
    ) -> Process:
        """Deliver a visible message to a new worker. The worker deletes it after it has handled it.

        With `shared` the worker could run other jobs too, with `late` the job is not its first. None: as the walk says.
        """
        self._event(f"{receipt} is delivered")
        return self._work(self.queue.receive(receipt), receipt, stop_after, shared=shared, late=late)

    def deliver_again(self, message: SentMessage) -> Process:
        """Deliver a second copy of a message to a new worker. The first copy may have been handled already."""
        self._event("a message is delivered again")
        return self._work(message, "a copy", None)

    def sweep(self) -> Process:
        """Start a sweeper."""
        return self._start_process("sweeper", Sweeper(self.store, self.queue, SETTINGS, self.clock).sweep)

    def submit(self, analysis: str, key: str | None = None, tier: str = TIERS[0]) -> Process:
        """Start an API process that submits a job. With a used idempotency key, it repeats the earlier submission."""
        self._submissions += 1
        given = {"isbn": f"{tier} {key or self._submissions} {'x' * 80}"}
        subject = "books/1" if key or analysis in {ALONE, RATED} else None
        submission = Submission(analysis=analysis, input=given, subject=subject)
        submissions = SubmissionService(self.store, self.queue, self.artifacts, self.analyses, SETTINGS, self.clock)
        return self._start_process("api", lambda: submissions.submit_with_outcome("acme", submission, key))

    def cancel(self, key: JobKey) -> Process:
        """Start an API process that cancels a job."""
        return self._start_process("api", lambda: self._control(JobControl.cancel, key))

    def retry(self, key: JobKey) -> Process:
        """Start an API process that retries a job."""
        return self._start_process("api", lambda: self._control(JobControl.retry, key))

    def _control(self, what: Callable[[JobControl, JobKey], object], key: JobKey) -> None:
        with suppress(StateConflictError, RateLimitedError):  # any other error is a defect
            what(JobControl(self.store, self.queue, self.artifacts, self.analyses, SETTINGS, self.clock), key)

    def _work(
        self,
        message: SentMessage,
        receipt: str,
        stop_after: timedelta | None,
        *,
        shared: bool | None = None,
        late: bool = False,
    ) -> Process:
        stop_at = self.clock.now() + stop_after if stop_after else None
        invocation = Invocation(
            shared=(self.packed and self.events % 3 > 0 if shared is None else shared) and not message.alone,
            late=late or (self.packed and self.events % 2 > 0),
        )

        def work() -> None:
            worker = Worker(
                self.store,
                self.queue,
                self.analyses,
                Services(self.artifacts, MemoryPromptStore(), self.model, SETTINGS),
                self.clock,
            )
            delivered = Message(message.key, QUEUE_ARN, receipt, message.tier_pointer, message.alone)
            worker.handle(delivered, stop_at, invocation)
            self.scheduler.point("acknowledge")
            self.queue.messages.pop(receipt, None)

        return self._start_process("worker", work)

    def _start_process(self, kind: str, work: Callable[[], object]) -> Process:
        self._visitors += 1
        process = Process(kind, self._visitors)
        self._event(f"{process} begins")
        self.scheduler.spawn(process, work)
        return process

    def run_until(self, process: Process, at: str) -> Actor:
        """Run one process alone until one of its actors waits at the point `at`. Its heartbeat runs before its work."""
        for _ in range(1_000):
            actors = [actor for actor in process.actors if not actor.over]
            if waiting := [actor for actor in actors if actor.at == at]:
                return waiting[0]
            ready = [actor for actor in actors if actor.ready()]
            assert ready, f"{process} is blocked before it reached {at}: {[actor.at for actor in actors]}"
            self.step(ready[-1])
        raise AssertionError(f"{process} never reached {at}")

    def run_to_end(self, process: Process) -> None:
        """Run one process alone until it ends."""
        while not process.over:
            self.step(next(actor for actor in process.actors if not actor.over and actor.ready()))

    # Checks

    def check(self) -> None:
        """Raise `AssertionError` if an invariant was broken. The message lists the last 40 events."""
        for process in self.scheduler.processes:
            if process.over and isinstance(process.error, AssertionError):
                self.ledger.broken.append(f"{process.kind}: {process.error}")
        if self.ledger.broken:
            raise AssertionError("\n".join([*self.trace[-40:], *self.ledger.broken]))

    def sweep_alone(self) -> None:
        """Run one sweep while all other processes wait. Afterwards only a job with a live lease may be overdue."""
        others = [process for process in self.scheduler.processes if not process.over]
        sweeper = self.sweep()
        while not sweeper.over:
            self.step(sweeper.actors[0])
        assert others == [process for process in self.scheduler.processes if not process.over]
        now = self.clock.now()
        for key, life in self.ledger.lives.items():
            row = life.row
            held = row.status == "processing" and row.lease_until and row.lease_until > now
            if row.due_at and row.due_at <= now and not held:
                self.ledger.broken.append(f"sweeping: {key} is overdue after a sweep: {row}")
        self.check()

    def settle(self, *, keep_messages: bool) -> None:
        """Stop injecting faults, let all processes finish, then deliver and sweep until every job has ended.

        Fails if a job takes longer than its deadline allows. `keep_messages=False` empties the queue first, so that
        only sweeps can find the jobs.
        """
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
                assert not left, f"the sweeper did not take up the jobs of dead workers: {left}"
        self._check_the_end()

    def _check_the_end(self) -> None:
        for key, life in self.ledger.lives.items():
            expected = None if life.erased else life.row
            assert self.inner.get(key) == expected, "the row in the table is not the last one that was written"
            calls = sum(life.calls.values())
            assert calls <= call_bound(life), f"{calls} model calls under {len(life.claims)} claims: {life.calls}"
            assert life.ends == life.retries + 1, f"{life.ends} ends, {life.retries} retries"

    def _finish(self) -> None:
        self.stalled.clear()
        run(self.scheduler, self.clock)
        self.check()

    def _event(self, said: str) -> None:
        self.events += 1
        self.trace.append(said)


@contextmanager
def open_world(make_store: Callable[[VirtualClock], JobStore], seed: int) -> Iterator[World]:
    """Yield a world for one seed, and kill its processes at the end.

    Heartbeat threads become actors of the scheduler. All random numbers of the library come from the seed. With some
    seeds, each checkpoint moves the earlier ones from the row into a list in the bucket. With some, a sweep writes a
    single row in a transaction too.
    """
    world = World(make_store, seed)
    chances = SimpleNamespace(randbits=random.Random(seed).getrandbits)
    random.seed(seed)  # the library draws its backoff and the order of the shards from it
    with ExitStack() as stack:
        stack.enter_context(patch.object(heartbeat, "Thread", world.scheduler.thread))
        stack.enter_context(patch.object(ids, "secrets", chances))
        if has_lists(seed):
            stack.enter_context(small_rows())
        if seed % 5 > 2:
            stack.enter_context(always_together())
        tracing.use(Contexts())
        try:
            yield world
        finally:
            tracing.use(None)
            for process in list(world.scheduler.processes):
                world.scheduler.kill(process)


def has_lists(seed: int) -> bool:
    """Tell whether the checkpoints of this seed's world move into lists in the bucket."""
    return bool(seed // 2 % 2)


def always_together() -> AbstractContextManager[object]:
    """Let a sweep write each group of rows in a transaction, a single row too."""
    return patch.object(one_sweep, "LEAST_TOGETHER", 1)


@contextmanager
def small_rows() -> Iterator[None]:
    """Leave no room for checkpoints in the row: each new one moves the others into a list."""
    no_room = patch.object(checkpoint_list, "room", lambda _: 0)
    with no_room, patch.object(checkpoint_list, "LEAST_SAVES", 0):
        yield
