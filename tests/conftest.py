"""How `make test` shares two processors: the stack's tests in one process, Terraform's in another, the rest between."""

import os
from pathlib import Path

import pytest

# The library's logger is made once a process, and takes its name from here; tests listen to it by that name.
os.environ["POWERTOOLS_SERVICE_NAME"] = "tests"

HERE = Path(__file__).parent
# Each of these has a session's worth of set-up: an applied stack, an installed provider.
TOGETHER = ("system", "modules")


# Before xdist's own hook, which reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(HERE)
        item.add_marker(pytest.mark.xdist_group(path.parts[0] if path.parts[0] in TOGETHER else str(path)))
