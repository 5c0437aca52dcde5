"""The pytest plugin: the fixture `jobs`, and the option `--record-answers`.

pytest loads this module in every run of an environment with this distribution, on every Python that the base supports.
So it imports the kit only when a test uses it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analysis_jobs.testing.database import TestDatabase
    from analysis_jobs.testing.databases import Databases
    from analysis_jobs.testing.jobs import Jobs

_PYTHON = (3, 13)
_RECORD = "--record-answers"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that records answers."""
    group = parser.getgroup("analysis-jobs", "test kit of analysis-jobs")
    group.addoption(_RECORD, action="store_true", help="ask real models where tests use recordings, and record them")


@pytest.fixture(scope="session")
def analysis_jobs_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Run one PostgreSQL server for all tests. Tests that use it are skipped where none is installed."""
    if find_spec("psycopg") is None:
        pytest.skip("PostgreSQL: psycopg is not installed; install analysis-jobs with the extra `postgres`")
    from analysis_jobs.testing import databases  # noqa: PLC0415 - see the module

    try:
        databases.binaries()
    except databases.ServerError as why:
        pytest.skip(str(why))
    with databases.running(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Run jobs of an analysis in memory. See `analysis_jobs.testing.Jobs`."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")  # they would fill the output of a failed test
    if sys.version_info[:2] < _PYTHON:
        pytest.fail("the fixture `jobs` runs the worker, which needs Python 3.13", pytrace=False)
    if any(find_spec(name) is None for name in ("aws_lambda_powertools", "boto3")):
        pytest.fail("the fixture `jobs` runs the worker: install analysis-jobs with the extra `dev`", pytrace=False)
    from analysis_jobs.testing.jobs import Jobs  # noqa: PLC0415 - see the module
    from analysis_jobs.testing.project import ProjectFiles  # noqa: PLC0415 - as above

    def new_database(*scripts: str) -> TestDatabase:
        databases: Databases = request.getfixturevalue(analysis_jobs_databases.__name__)
        return databases.new(*scripts)

    making: Callable[..., Any] = new_database
    jobs = Jobs(
        ProjectFiles.around(request.path.parent),
        request.node.name,
        records=bool(request.config.getoption(_RECORD, default=False)),
        new_database=making,
    )
    yield jobs
    jobs.close()
