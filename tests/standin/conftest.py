"""One stand-in for all tests, reset before each."""

from collections.abc import Iterator

import pytest

from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.standin.asking import Ask, asking


@pytest.fixture(scope="session")
def running() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running: StandIn) -> StandIn:
    running.reset()
    return running


@pytest.fixture(scope="session")
def reused(running: StandIn) -> Iterator[Ask]:
    with asking(running.url) as ask:
        yield ask


@pytest.fixture
def ask(stand_in: StandIn, reused: Ask) -> Ask:
    assert stand_in.scenarios() == []
    return reused
