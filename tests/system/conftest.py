"""The stack that the system tests use."""

from collections.abc import Iterator

import pytest

from analysis_jobs_dev.cloud.local_cloud import DEFAULT_EXAMPLE, LocalCloud
from tests.clouds import for_session


@pytest.fixture(scope="session")
def one_stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Return a cloud with the stack of the first example. Every test leaves it running."""
    with for_session(pytestconfig, tmp_path_factory, "one-stack", (DEFAULT_EXAMPLE,)) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def stack(one_stack: LocalCloud) -> LocalCloud:
    """Return the running cloud. Every test leaves it running and resets its stand-in."""
    return one_stack
