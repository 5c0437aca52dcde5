"""How the tests are shared out to several processes.

All tests of a folder that needs a local cloud go to one process: another would apply the same stacks once more, and
wait for a minute and more. The longest come first, so that no process is left with one of them in the end. The rest
goes out by file.
"""

from typing import override

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests stay together, longest first.
TOGETHER = ("tests/examples/", "tests/system/")
# Then these, because their files take long; then all others.
EARLY = ("tests/faults/", "tests/runtime/", "tests/modules/", "tests/tools/")


def scope_of(nodeid: str) -> str:
    """Return what a test is handed out with: its folder, or its file."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])


def rank(nodeid: str) -> int:
    """Return how early a test is handed out, 0 first."""
    folders = (*TOGETHER, *EARLY)
    return next((number for number, folder in enumerate(folders) if nodeid.startswith(folder)), len(folders))


class Sharing(LoadScopeScheduling):  # type: ignore[misc] # has no types
    """Hands out the scopes in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        # Its own order would be by the number of tests: the many that take no time first.
        config.option.loadscopereorder = False

    @override
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
