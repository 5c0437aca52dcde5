"""Distribution of the tests over processes, and a local cloud for tests of two folders."""

import functools
import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

    from analysis_jobs_dev.cloud.local_cloud import LocalCloud

# The test kit is a plugin. pytest has loaded it already if the distribution is installed.
KIT = "analysis_jobs.testing.plugin"
pytest_plugins = [] if KIT in {plugin.value for plugin in entry_points(group="pytest11")} else [KIT]

# The library makes its logger once a process, with this name. Tests read the logger by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"
# Hypothesis fails a test of more than 200 ms for an example. Machines are shared: a time is never a test.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# Files that use one cloud run in one process, so that its stacks are applied once. Each other file runs on its own.
TOGETHER = {
    "four stacks": (
        "tests/examples/test_book_valuation.py",
        "tests/examples/test_credential_extraction.py",
        "tests/examples/test_drawing_schedule.py",
        "tests/examples/test_profile_interpretation.py",
    ),
    "restarted stack": (
        "tests/examples/test_rfp_analysis.py",
        "tests/system/test_local_cloud.py",
        "tests/system/test_make_local.py",  # the last, because it stops the cloud
    ),
    "one stack": (
        "tests/system/test_operations.py",
        "tests/system/test_least_privilege.py",
        "tests/system/test_redrive.py",
        "tests/system/test_http.py",
        "tests/system/test_events.py",
        "tests/system/test_bad_documents.py",
    ),
}
# The order of all files: first those that mostly wait for a cloud, then long ones.
ORDER = (
    *chain(*TOGETHER.values()),
    "tests/system/",
    "tests/faults/",
    "tests/runtime/",
    "tests/modules/",
    "tests/tools/",
    "",
)


@pytest.fixture(scope="session", autouse=True)
def _services_are_read_once() -> Iterator[None]:
    """Keep botocore's descriptions of the services: moto makes a new session for each test, which reads them again."""
    from botocore import session  # noqa: PLC0415 - some processes need no AWS

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", functools.cache(session.create_loader))
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cloud", metavar="FOLDER", help="keep the stacks of tests/examples and tests/system there, and use them again"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by the order of their files."""
    items.sort(key=lambda item: next(rank for rank, begin in enumerate(ORDER) if item.nodeid.startswith(begin)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    """Hand out files, and those that are `TOGETHER` as one.

    `--dist loadgroup` would do this without code, but xdist 3.8 ignores the groups under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - xdist is certainly there only here

    class ByFile(LoadScopeScheduling):  # type: ignore[misc] # has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((group for group, files in TOGETHER.items() if file in files), file)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def restarted_stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCloud"]:
    """Return a running cloud with the stack of the first example, for tests that restart it and for that example's."""
    from tests.clouds import for_session  # noqa: PLC0415 - most tests need no cloud

    with for_session(pytestconfig, tmp_path_factory, "restarted-stack", ("rfp-analysis",)) as cloud:
        yield cloud
