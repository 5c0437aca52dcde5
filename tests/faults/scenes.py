"""Interleavings that take so many coincidences that a random walk hardly meets them."""

from collections.abc import Callable
from datetime import timedelta

from analysis_jobs.jobs.record import JobKey
from tests.faults.baton import Process
from tests.faults.world import World
from tests.handlers.builders import SECOND

type Scene = Callable[[World], None]


def stale_stop(world: World) -> None:
    """A worker is to stop, and is held up until the job was cancelled, retried, begun, and is to be cancelled again."""
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.end(world.cancel(key))
    world.advance(16 * SECOND)
    world.till(worker, "stop")
    _outlive_the_lease(world)
    world.sweep_alone()
    world.end(world.retry(key))
    _begin(world)
    world.end(world.cancel(key))
    world.end(worker)


def late_beat_before_abandon(world: World) -> None:
    """A sweeper finds a lease run out on the last attempt; before it writes, the worker has renewed it."""
    _submit(world, "brief")
    _late_beat(world, "abandon", _begin(world))


def late_beat_before_expiry(world: World) -> None:
    """As above, and the deadline has passed too."""
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.advance(world.ledger.lives[key].row.deadline - world.clock.now())
    _late_beat(world, "expire", worker)


def late_beat_before_a_cancel(world: World) -> None:
    """As above, and a caller has asked for the job to be cancelled: its worker stops, and not the sweeper for it."""
    key = _submit(world, "valuation")
    worker = _begin(world)
    world.end(world.cancel(key))
    _late_beat(world, "cancel_lost", worker)


def stale_result(world: World) -> None:
    """A worker is held up before it keeps its result, until another is about to say where its own is."""
    _submit(world, "valuation")
    worker = _begin(world)
    _before_the_result(world, worker)
    _outlive_the_lease(world)
    other = world.deliver(world.queue.visible()[0])
    world.till(other, "complete")
    world.till(worker, "complete")
    world.end(other)
    world.end(worker)


SCENES: tuple[Scene, ...] = (
    stale_stop,
    late_beat_before_abandon,
    late_beat_before_expiry,
    late_beat_before_a_cancel,
    stale_result,
)


def _submit(world: World, analysis: str) -> JobKey:
    world.end(world.submit(analysis))
    return next(iter(world.ledger.lives))


def _begin(world: World) -> Process:
    worker = world.deliver(world.queue.visible()[0])
    world.till(worker, "model")
    heartbeat = worker.actors[1]
    while heartbeat.at != "wait":
        world.step(heartbeat)
    return worker


def _before_the_result(world: World, worker: Process) -> None:
    job = next(iter(world.ledger.lives.values()))
    while len(job.kept) < 3:
        world.step(worker.actors[0])
    world.till(worker, "put")


def _late_beat(world: World, edge: str, worker: Process) -> None:
    _outlive_the_lease(world)
    sweeper = world.sweep()
    world.till(sweeper, edge)
    heartbeat = world.till(worker, "beat")
    world.step(heartbeat)
    world.end(sweeper)


def _outlive_the_lease(world: World) -> None:
    world.advance(timedelta(seconds=95))  # and the time for which its message is hidden
