"""Concurrent retries never exceed the rate of an analysis: each is counted in the transaction that restarts its job."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.transitions import RETRY, Status
from analysis_jobs.stores.memory import MemoryJobStore
from tests.faults.ledger import RATED
from tests.faults.races import about_to, finish
from tests.faults.test_model import in_memory
from tests.faults.world import RATE, World, open_world

pytestmark = pytest.mark.usefixtures("quiet")


def two_cancelled(world: World) -> list[JobKey]:
    """Submit and cancel two jobs. One more job or retry is allowed now."""
    for _ in range(RATE.count - 1):
        finish(world, world.submit(RATED))
    keys = list(world.ledger.lives)
    for key in keys:
        finish(world, world.cancel(key))
    return keys


def both_retried(world: World) -> None:
    """Two retries read that one more is allowed. One of them writes first."""
    first, second = two_cancelled(world)
    late = about_to(world, world.retry(first), "retry")
    finish(world, world.retry(second))
    finish(world, late)


@contextmanager
def uncounted_concurrent_writes() -> Iterator[None]:
    """Write the count of a retry without the condition that nobody else was counted meanwhile."""
    given = MemoryJobStore.retry

    def retry(store: Any, job: Any, changes: Any, *, counted: Any = None, **asked: Any) -> Any:
        if counted:
            store.rates.pop((job.tenant, job.analysis, counted.admission_key.rate), None)
            object.__setattr__(counted, "expected", None)
        return given(store, job, changes, counted=counted, **asked)

    with patch.object(MemoryJobStore, "retry", retry):
        yield


def test_of_two_concurrent_retries_one_is_refused_if_the_rate_allows_one() -> None:
    with open_world(in_memory, 0) as world:
        both_retried(world)
        assert world.ledger.landed[RETRY.name] == 1
        assert [life.row.status for life in world.ledger.lives.values()].count(Status.CANCELLED) == 1
        world.settle(keep_messages=True)


def test_without_the_condition_both_retries_take_place() -> None:
    with uncounted_concurrent_writes(), open_world(in_memory, 0) as world:
        both_retried(world)
        assert world.ledger.landed[RETRY.name] > 1


def test_a_submission_and_a_retry_share_the_rate() -> None:
    with open_world(in_memory, 0) as world:
        first, _ = two_cancelled(world)
        late = about_to(world, world.retry(first), "retry")
        finish(world, world.submit(RATED))
        finish(world, late)
        assert world.ledger.landed[RETRY.name] == 0
        assert len(world.ledger.lives) == RATE.count
