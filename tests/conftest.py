"""How `make test` shares two processors: the stack's tests in one process, Terraform's in another, the rest between."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Each of these has a session's worth of set-up: an applied stack, an installed provider.
TOGETHER = ("system", "modules")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(HERE)
        item.add_marker(pytest.mark.xdist_group(path.parts[0] if path.parts[0] in TOGETHER else str(path)))
