"""An API with traces on."""

from collections.abc import Iterator

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.site import Site, opened
from tests.handlers.traces import APPRAISAL, Collected, collected


@pytest.fixture
def spans() -> Iterator[Collected]:
    """Turn traces on. Return the spans of the test."""
    with collected() as spans:
        yield spans


@pytest.fixture
def site(clock: ManualClock) -> Iterator[Site]:
    """Return an API with one traced analysis, and stores in memory."""
    with opened(MemoryJobStore(), clock, APPRAISAL) as site:
        yield site
