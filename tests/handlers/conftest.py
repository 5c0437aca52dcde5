"""Fixtures that many tests share: stores in memory and on moto, PostgreSQL, and the stand-in for the models."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs_dev.cloud import postgres
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.postgres import PostgreSQL, binaries
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.aws import client, create_job_table
from tests.handlers.builders import START

_numbers = count(1)


@pytest.fixture(autouse=True)
def _named_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    """Return a stand-in for the models' vendors. It serves all tests of a file."""
    with StandIn() as server:
        yield server


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    """Return the file's stand-in, without the scenarios and the log of the test before."""
    server.reset()
    return server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """Return a real PostgreSQL server. Tests that use it are skipped where none is installed."""
    try:
        binaries()
    except CloudError as why:
        pytest.skip(str(why))
    folder = tmp_path_factory.mktemp("postgres")
    with postgres.running(folder, certificates(folder / "certificates"), free_ports(1)[0]) as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """Return a client of an emulated DynamoDB for the tests of one module."""
    with mock_aws():
        yield client("dynamodb")


@pytest.fixture
def table(dynamodb: Any) -> str:
    """Return the name of a new, empty job table."""
    name = f"jobs-{next(_numbers)}"
    create_job_table(dynamodb, name)
    return name


@pytest.fixture
def dynamo_store(dynamodb: Any, table: str, clock: ManualClock) -> DynamoJobStore:
    return DynamoJobStore(dynamodb, table, clock)


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest) -> JobStore:
    """Return a job store. A test that uses it runs once with each kind."""
    if request.param == "memory":
        return MemoryJobStore()
    found: JobStore = request.getfixturevalue("dynamo_store")
    return found
