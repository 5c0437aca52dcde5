"""Fixtures that run the API over each kind of job store."""

from collections.abc import Iterator

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.site import Site, opened


@pytest.fixture
def site(clock: ManualClock) -> Iterator[Site]:
    """Return an API whose stores are in memory."""
    with opened(MemoryJobStore(), clock) as site:
        yield site


@pytest.fixture
def both(store: JobStore, clock: ManualClock) -> Iterator[Site]:
    """Return an API over each kind of job store. The test runs once with each."""
    with opened(store, clock) as site:
        yield site
