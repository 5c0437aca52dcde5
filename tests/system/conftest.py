"""One local cloud for all system tests, with the stack of the first example."""

from collections.abc import Iterator

import pytest

from cloud.local_cloud import DEFAULT_EXAMPLE, LocalCloud
from tests.whole import for_session


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Give the running cloud; every test leaves it running, and its stand-in reset."""
    with for_session(pytestconfig, tmp_path_factory, "system", (DEFAULT_EXAMPLE,)) as cloud:
        yield cloud
