"""Written interleavings that a random walk hardly ever meets, because they need many steps in one exact order."""

from collections.abc import Callable
from datetime import timedelta

from analysis_jobs.jobs.record import JobKey
from tests.faults.scheduler import Process
from tests.faults.world import World
from tests.handlers.builders import SECOND

type Scene = Callable[[World], None]


def stale_stop(world: World) -> None:
    """A stale worker writes `stop` for a job that another worker holds by now.

    The first worker is about to stop for a cancel, and is held up. Its lease expires, the sweeper cancels the job, a
    caller retries it, a second worker claims it, and a second cancel arrives. Then the first worker writes.
    """
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.run_to_end(world.cancel(key))
    world.advance(16 * SECOND)
    world.run_until(worker, "stop")
    _outlive_the_lease(world)
    world.sweep_alone()
    world.run_to_end(world.retry(key))
    _begin(world)
    world.run_to_end(world.cancel(key))
    world.run_to_end(worker)


def late_beat_before_abandon(world: World) -> None:
    """A sweeper reads an expired lease on the last attempt. Before it writes, the worker renews the lease."""
    _submit(world, "brief")
    _late_beat(world, "abandon", _begin(world))


def late_beat_before_expiry(world: World) -> None:
    """As above, and the deadline has passed as well."""
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.advance(world.ledger.lives[key].row.deadline - world.clock.now())
    _late_beat(world, "expire", worker)


def late_beat_before_a_cancel(world: World) -> None:
    """As above, and a caller has cancelled the job: the worker must end it, and not the sweeper."""
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.run_to_end(world.cancel(key))
    _late_beat(world, "cancel_lost", worker)


def stale_result(world: World) -> None:
    """A worker is held up before it stores its result. A second worker stores its own, then both write `complete`."""
    _submit(world, "valuation")
    worker = _begin(world)
    _before_the_result(world, worker)
    _outlive_the_lease(world)
    other = world.deliver(world.queue.visible()[0])
    world.run_until(other, "complete")
    world.run_until(worker, "complete")
    world.run_to_end(other)
    world.run_to_end(worker)


def late_beat_before_a_requeue_of_a_shared_worker(world: World) -> None:
    """As `late_beat_before_abandon`, and the worker could run other jobs too."""
    _submit(world, "valuation")
    _late_beat(world, "requeue_shared", _begin(world, shared=True))


def cut_short_late(world: World) -> None:
    """Jobs begin late in their invocation, and its time is over before they have a checkpoint: twice."""
    _submit(world, "brief")
    for _ in range(2):
        receipt = world.queue.visible()[0]
        worker = world.deliver(receipt, 20 * SECOND, shared=True, late=True)
        world.run_until(worker, "model")
        world.advance(20 * SECOND)
        world.run_to_end(worker)
        if not world.queue.visible():
            return


SCENES: tuple[Scene, ...] = (
    stale_stop,
    late_beat_before_abandon,
    late_beat_before_expiry,
    late_beat_before_a_cancel,
    stale_result,
    late_beat_before_a_requeue_of_a_shared_worker,
    cut_short_late,
)


def _submit(world: World, analysis: str) -> JobKey:
    world.run_to_end(world.submit(analysis))
    return next(iter(world.ledger.lives))


def _begin(world: World, *, shared: bool | None = None) -> Process:
    worker = world.deliver(world.queue.visible()[0], shared=shared)
    world.run_until(worker, "model")
    heartbeat = worker.actors[1]
    while heartbeat.at != "wait":
        world.step(heartbeat)
    return worker


def _before_the_result(world: World, worker: Process) -> None:
    job = next(iter(world.ledger.lives.values()))
    while len(job.kept) < 3:
        world.step(worker.actors[0])
    world.run_until(worker, "put")


def _late_beat(world: World, edge: str, worker: Process) -> None:
    _outlive_the_lease(world)
    sweeper = world.sweep()
    world.run_until(sweeper, edge)
    heartbeat = world.run_until(worker, "beat")
    world.step(heartbeat)
    world.run_to_end(sweeper)


def _outlive_the_lease(world: World) -> None:
    world.advance(timedelta(seconds=95))  # longer than the lease, and than the message's visibility timeout
