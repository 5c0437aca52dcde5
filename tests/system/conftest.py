"""The stack that the system tests use."""

import pytest

from cloud.local_cloud import LocalCloud


@pytest.fixture(scope="session")
def stack(one_stack: LocalCloud) -> LocalCloud:
    """Return the running cloud; every test leaves it running, and its stand-in reset."""
    return one_stack
