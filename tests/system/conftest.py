"""The stack that the system tests use."""

import pytest

from cloud.local_cloud import LocalCloud


@pytest.fixture(scope="session")
def stack(one_stack: LocalCloud) -> LocalCloud:
    """Return the running cloud. Every test leaves it running and resets its stand-in."""
    return one_stack
