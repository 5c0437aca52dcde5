"""The proofs by breaking: a short form of each runs in `make test`, the whole in `make faults` (`--faults=long`)."""

import logging
from collections.abc import Iterator

import pytest

from analysis_jobs.base import observability
from tests.faults.figures import Recording


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", choices=("quick", "long"), default="quick", help="how much the proofs try")


def pytest_configure(config: pytest.Config) -> None:
    Recording.on = _is_long(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not _is_long(config):
        for item in items:
            if item.get_closest_marker("faults"):
                item.add_marker(pytest.mark.skip(reason="runs in `make faults`"))


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether everything is tried, or as much as fits into seconds."""
    return _is_long(pytestconfig)


class NoMetrics:
    """Counters that count nothing."""

    def add_metric(self, name: str, unit: object, value: float) -> None:
        """Do nothing."""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the library from writing the logs and counters of a hundred thousand steps."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")
    monkeypatch.setattr(observability, "_metrics", NoMetrics)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _is_long(config: pytest.Config) -> bool:
    return bool(config.getoption("--faults", "quick") == "long")
