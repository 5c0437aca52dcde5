"""Distribution of the tests over processes, and a local cloud for tests of two folders."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloud.local_cloud import LocalCloud

# The library makes its logger once a process, with this name. Tests read the logger by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"

# All tests that use a cloud run in one process, so that its stacks are applied once. Each other file is a group.
CLOUDS = ("four_stacks", "restarted_stack", "one_stack")
# The order of the groups: first those that mostly wait for a cloud, then long files.
EARLY = (*CLOUDS, "tests/faults/", "tests/runtime/", "tests/modules/", "tests/tools/", "")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cloud", metavar="FOLDER", help="keep the stacks of tests/examples and tests/system there, and use them again"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the group of each test for `--dist loadgroup`, and sort the groups as in `EARLY`."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    fixtures = _fixtures(item)
    return next((cloud for cloud in CLOUDS if cloud in fixtures), item.nodeid.partition("::")[0])


def _rank(item: pytest.Item) -> tuple[int, bool]:
    group = _group(item)
    rank = next(rank for rank, begin in enumerate(EARLY) if group.startswith(begin))
    return rank, "stopped_stack" in _fixtures(item)  # tests that stop the cloud come last


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def restarted_stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCloud"]:
    """Return a running cloud with the stack of the first example, for tests that restart it and for that example's."""
    from tests.clouds import for_session  # noqa: PLC0415 - most tests need no cloud

    with for_session(pytestconfig, tmp_path_factory, "restarted-stack", ("rfp-analysis",)) as cloud:
        yield cloud
