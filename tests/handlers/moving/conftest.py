"""Small models of older systems, each with the adapter for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import Backend, Jobs
from analysis_jobs_dev.cloud.postgres import PostgreSQL
from tests.client.environment import variables_of
from tests.handlers.databases import a_database
from tests.handlers.deployment import deployed
from tests.handlers.moving.olders import KINDS, Older, older

ANALYSES = "tests.client.analyses"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Deploy the functions on moto, and return their caller."""
    monkeypatch.setattr("analysis_jobs.moving.sqs._WAIT_S", 0)
    with deployed() as found, patch.dict(os.environ, {"ANALYSES": ANALYSES}):
        yield Backend(variables_of(found, ANALYSES), "acme")


@pytest.fixture
def made(
    request: pytest.FixtureRequest, jobs: Jobs, clock: ManualClock, tmp_path: Path
) -> Iterator[Callable[[str], Older]]:
    """Return a function that makes the model of a kind. It starts PostgreSQL only for the kinds that need it."""
    assert jobs, "moto is on"
    connections = []

    def make(kind: str) -> Older:
        connection = None
        if "postgresql" in kind:
            server: PostgreSQL = request.getfixturevalue("postgres_server")
            connection = a_database(server).connect()
            connections.append(connection)
        return older(kind, clock, connection, tmp_path)

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture(params=KINDS)
def old(request: pytest.FixtureRequest, made: Callable[[str], Older]) -> Older:
    """Return an older system of each kind."""
    return made(request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind != "listed"])
def old_with_workers(request: pytest.FixtureRequest, made: Callable[[str], Older]) -> Older:
    """Return an older system of each kind that has workers of its own."""
    return made(request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind.startswith("sqs")])
def old_with_queue(request: pytest.FixtureRequest, made: Callable[[str], Older]) -> Older:
    """Return an older system of each kind that has a queue."""
    return made(request.param)
