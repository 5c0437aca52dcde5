"""One local cloud for the tests of all examples, with the stacks that the collected tests are of."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.deployed import Deployed
from cloud.local_cloud import LocalCloud
from tests.whole import for_session

HERE = Path(__file__).parent
# The five systems. The small examples beside them are planned, and run in memory: tests/modules/test_small_examples.py.
SYSTEMS = ("book-valuation", "credential-extraction", "drawing-schedule", "profile-interpretation", "rfp-analysis")


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Give the running cloud; every test leaves it running."""
    examples = wanted({item.path for item in request.session.items})
    with for_session(request.config, tmp_path_factory, "examples", examples) as cloud:
        yield cloud


@pytest.fixture
def deployed(cloud: LocalCloud) -> Iterator[Callable[[str], Deployed]]:
    """Give the function that returns an example's stack; the stand-in is as new before the test and after it."""
    cloud.stand_in.reset()
    yield cloud.deployed
    cloud.stand_in.reset()


def wanted(collected: set[Path]) -> list[str]:
    """Return the examples that tests of these files need: `test_book_valuation.py` its own, any other all of them."""
    named = {HERE / f"test_{example.replace('-', '_')}.py": example for example in SYSTEMS}
    here = {path for path in collected if path.parent == HERE}
    return sorted(named[path] for path in here) if here <= named.keys() else list(named.values())
