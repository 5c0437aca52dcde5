"""What all tests share."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.sharing import Sharing

# The library's logger is made once a process, and takes its name from here; tests listen to it by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cloud", metavar="FOLDER", help="keep the stacks of tests/examples and tests/system there, and use them again"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, all of them list those first that are handed out first."""
    if hasattr(config, "workerinput"):
        from tests.sharing import rank  # noqa: PLC0415 - needs xdist, which is here only now for sure

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Sharing":
    from tests.sharing import Sharing  # noqa: PLC0415 - as above

    return Sharing(config, log)
