"""The stores under test, each in memory and on the AWS that moto plays."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore
from cloud import postgres
from cloud.certificates import certificates
from cloud.errors import CloudError
from cloud.ports import free_ports
from cloud.postgres import PostgreSQL, binaries
from tests.handlers.aws import client, create_job_table
from tests.handlers.builders import START

_numbers = count(1)


@pytest.fixture(autouse=True)
def _named_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """Return a real PostgreSQL server; who takes it is skipped where this machine has none."""
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
    """Return a client of a DynamoDB that lives as long as the module's tests."""
    with mock_aws():
        yield client("dynamodb")


@pytest.fixture
def table(dynamodb: Any) -> str:
    """Return the name of a fresh table of jobs."""
    name = f"jobs-{next(_numbers)}"
    create_job_table(dynamodb, name)
    return name


@pytest.fixture
def dynamo_store(dynamodb: Any, table: str, clock: ManualClock) -> DynamoJobStore:
    return DynamoJobStore(dynamodb, table, clock)


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest) -> JobStore:
    """Return a store of jobs: a test that takes it runs with each."""
    if request.param == "memory":
        return MemoryJobStore()
    found: JobStore = request.getfixturevalue("dynamo_store")
    return found
