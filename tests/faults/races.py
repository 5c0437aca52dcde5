"""Concurrent submissions and retries of one subject, where the analysis allows one active job: walks and races."""

import random

from analysis_jobs.jobs.record import JobKey
from tests.faults.ledger import ALONE
from tests.faults.scenes import Scene
from tests.faults.scheduler import Process
from tests.faults.walk import Event, Walk
from tests.faults.world import World
from tests.handlers.builders import SECOND


class SubjectWalk(Walk):
    """A random walk in which all jobs have the same subject, and several are submitted at once."""

    def __init__(self, world: World, choose: random.Random, focus: str | None = None) -> None:
        super().__init__(world, choose, focus or choose.choice((None, "create", "retry", "read")))
        self.jobs = 3

    def _submission(self) -> Event:
        key = self.choose.choice((None, None, "k"))
        return lambda: self.world.submit(ALONE, key)


def two_at_once(world: World) -> None:
    """Two submissions read the same state. One of them writes first."""
    late = about_to(world, world.submit(ALONE), "create")
    finish(world, world.submit(ALONE))
    finish(world, late)


def a_retry_while_one_decides(world: World) -> None:
    """A submission reads that the subject's job has ended. Before it writes, a retry restarts that job."""
    key = _cancelled(world)
    late = about_to(world, world.submit(ALONE), "create")
    finish(world, world.retry(key))
    finish(world, late)


def a_submission_while_one_retries(world: World) -> None:
    """A retry reads that its job has ended. Before it writes, a newer job is admitted."""
    key = _cancelled(world)
    late = about_to(world, world.retry(key), "retry")
    finish(world, world.submit(ALONE))
    finish(world, late)


def a_retry_of_an_older_job(world: World) -> None:
    """A caller retries an older job while a newer one is active."""
    key = _cancelled(world)
    finish(world, world.submit(ALONE))
    finish(world, world.retry(key))


def one_after_the_other(world: World) -> None:
    """A second submission arrives while the job of the first one is active."""
    finish(world, world.submit(ALONE))
    finish(world, world.submit(ALONE))


RACES: tuple[Scene, ...] = (
    two_at_once,
    a_retry_while_one_decides,
    a_submission_while_one_retries,
    a_retry_of_an_older_job,
    one_after_the_other,
)


def _cancelled(world: World) -> JobKey:
    finish(world, world.submit(ALONE))
    key = next(iter(world.ledger.lives))
    finish(world, world.cancel(key))
    return key


def about_to(world: World, process: Process, at: str) -> Process:
    """Run a process until it is about to make a request."""
    world.run_until(process, at)
    return process


def finish(world: World, process: Process) -> None:
    """Run one process alone to its end, and move the clock when it waits."""
    while not process.over:
        actor = next(actor for actor in process.actors if not actor.over)
        if actor.ready():
            world.step(actor)
        else:
            world.advance(SECOND)
