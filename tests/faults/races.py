"""Submissions of one subject, which its analysis allows one active job of: as random walks, and as single races."""

import random

from analysis_jobs.jobs.record import JobKey
from tests.faults.baton import Process
from tests.faults.ledger import ALONE
from tests.faults.scenes import Scene
from tests.faults.walk import Event, Walk
from tests.faults.world import World
from tests.handlers.builders import SECOND


class SubjectWalk(Walk):
    """A walk in which every job is of the same subject, and many are submitted at once."""

    def __init__(self, world: World, choose: random.Random, focus: str | None = None) -> None:
        super().__init__(world, choose, focus or choose.choice((None, "create", "retry", "read")))
        self.jobs = 3

    def _submission(self) -> Event:
        key = self.choose.choice((None, None, "k"))
        return lambda: self.world.submit(ALONE, key)


def two_at_once(world: World) -> None:
    """Two submissions see the same, and one of them writes first."""
    late = _about_to(world, world.submit(ALONE), "create")
    _finish(world, world.submit(ALONE))
    _finish(world, late)


def a_retry_while_one_decides(world: World) -> None:
    """A submission has seen the subject's job ended; before it writes, that job runs again."""
    key = _cancelled(world)
    late = _about_to(world, world.submit(ALONE), "create")
    _finish(world, world.retry(key))
    _finish(world, late)


def a_submission_while_one_retries(world: World) -> None:
    """A retry has seen its job ended; before it writes, a newer one is let in."""
    key = _cancelled(world)
    late = _about_to(world, world.retry(key), "retry")
    _finish(world, world.submit(ALONE))
    _finish(world, late)


def a_retry_of_an_older_job(world: World) -> None:
    """A newer job is active; an older one is to run again."""
    key = _cancelled(world)
    _finish(world, world.submit(ALONE))
    _finish(world, world.retry(key))


def one_after_the_other(world: World) -> None:
    """A second submission comes while the first one's job is active."""
    _finish(world, world.submit(ALONE))
    _finish(world, world.submit(ALONE))


RACES: tuple[Scene, ...] = (
    two_at_once,
    a_retry_while_one_decides,
    a_submission_while_one_retries,
    a_retry_of_an_older_job,
    one_after_the_other,
)


def _cancelled(world: World) -> JobKey:
    _finish(world, world.submit(ALONE))
    key = next(iter(world.ledger.lives))
    _finish(world, world.cancel(key))
    return key


def _about_to(world: World, process: Process, at: str) -> Process:
    world.till(process, at)
    return process


def _finish(world: World, process: Process) -> None:
    """Let a process run alone to its end, with the time that it waits for."""
    while not process.over:
        actor = next(actor for actor in process.actors if not actor.over)
        if actor.ready():
            world.step(actor)
        else:
            world.advance(SECOND)
