"""The xdist scheduler: which test runs in which process, and in which order.

All tests of a folder that needs a local cloud run in one process. A second process would apply the same stacks again,
which takes more than a minute. The longest folders start first, so that none of them runs alone at the end. All other
tests are handed out by file.
"""

from typing import override

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests stay together, longest first.
TOGETHER = ("tests/examples/", "tests/system/")
# These come next, because their files take long. All others follow.
EARLY = ("tests/faults/", "tests/runtime/", "tests/modules/", "tests/tools/")


def scope_of(nodeid: str) -> str:
    """Return the scope of a test: its folder, or its file. One process runs all tests of a scope."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def rank(nodeid: str) -> int:
    """Return the rank of a test. Rank 0 is handed out first."""
    folders = (*TOGETHER, *EARLY)
    return next((number for number, folder in enumerate(folders) if nodeid.startswith(folder)), len(folders))


class Sharing(LoadScopeScheduling):  # type: ignore[misc] # has no types
    """Hands out the scopes in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        # By default xdist starts with the scopes of the most tests, which are the fast ones here.
        config.option.loadscopereorder = False

    @override
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
