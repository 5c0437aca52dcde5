"""Settings and hooks of all tests."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.sharing import Sharing

# The library creates its logger once in a process, with this name. Tests find the logger by it.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cloud", metavar="FOLDER", help="keep the stacks of tests/examples and tests/system in FOLDER, and reuse them"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In an xdist worker, sort the tests into the order in which the scheduler hands them out."""
    if hasattr(config, "workerinput"):
        from tests.sharing import rank  # noqa: PLC0415 - imports xdist, which is certainly installed here

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Sharing":
    from tests.sharing import Sharing  # noqa: PLC0415 - as above

    return Sharing(config, log)
