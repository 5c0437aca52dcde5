"""What all tests share: how they are handed out to several processes, and the local cloud of one stack."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloud.local_cloud import LocalCloud

# The library's logger is made once a process, and takes its name from here; tests listen to it by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"

# Tests of one cloud run in one process, or each process would apply the stacks again. Every other file is a group.
CLOUDS = ("one_stack", "four_stacks")
# Groups are handed out in this order: first those that mostly wait for a cloud, then files that take long.
EARLY = (*CLOUDS, "tests/faults/", "tests/runtime/", "tests/modules/", "tests/tools/", "")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cloud", metavar="FOLDER", help="keep the stacks of tests/examples and tests/system there, and use them again"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its group, for `--dist loadgroup`, and put the groups in the order of `EARLY`."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    fixtures = _fixtures(item)
    return next((cloud for cloud in CLOUDS if cloud in fixtures), item.nodeid.partition("::")[0])


def _rank(item: pytest.Item) -> tuple[int, bool]:
    group = _group(item)
    rank = next(rank for rank, begin in enumerate(EARLY) if group.startswith(begin))
    return rank, "stopped_stack" in _fixtures(item)  # of a cloud, those last that stop it


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def one_stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCloud"]:
    """Give a running cloud with the stack of the first example; every test leaves it running."""
    from tests.clouds import for_session  # noqa: PLC0415 - most tests need no cloud

    with for_session(pytestconfig, tmp_path_factory, "one-stack", ("rfp-analysis",)) as cloud:
        yield cloud
