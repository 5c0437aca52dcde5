"""The fault tests. `make test` runs a short form of each, `make faults` (`--faults=long`) the full form."""

import logging
from collections.abc import Iterator

import pytest

from analysis_jobs.base import observability
from tests.faults.figures import Recording


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults", choices=("quick", "long"), default="quick", help="the short or the full form of the fault tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    Recording.on = _is_long(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not _is_long(config):
        for item in items:
            if item.get_closest_marker("faults"):
                item.add_marker(pytest.mark.skip(reason="runs in `make faults`"))


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether the full form of the tests runs, or the form that takes seconds."""
    return _is_long(pytestconfig)


class NoMetrics:
    """Metrics that record nothing."""

    def add_metric(self, name: str, unit: object, value: float) -> None:
        """Do nothing."""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Switch off the library's logs and metrics: a test makes a hundred thousand steps."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")
    monkeypatch.setattr(observability, "_metrics", NoMetrics)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _is_long(config: pytest.Config) -> bool:
    return bool(config.getoption("--faults", "quick") == "long")
