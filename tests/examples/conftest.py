"""The stacks of the examples that the collected tests use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import DEFAULT_EXAMPLE, LocalCloud
from tests.clouds import for_session

HERE = Path(__file__).parent
# The five systems. The small examples beside them are planned, and run in memory: tests/modules/test_small_examples.py.
SYSTEMS = ("book-valuation", "credential-extraction", "drawing-schedule", "profile-interpretation", "rfp-analysis")


@pytest.fixture(scope="session")
def four_stacks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Return a cloud with the stacks of all collected examples, except the one of `restarted_stack`."""
    collected = {item.path for item in request.session.items}
    files = {example: HERE / f"test_{example.replace('-', '_')}.py" for example in SYSTEMS}
    examples = [example for example, file in files.items() if example != DEFAULT_EXAMPLE and file in collected]
    with for_session(request.config, tmp_path_factory, "four-stacks", examples) as cloud:
        yield cloud


@pytest.fixture
def deployed(four_stacks: LocalCloud) -> Iterator[Callable[[str], Deployed]]:
    """Return a function that returns an example's stack. Reset the stand-in before and after the test."""
    four_stacks.stand_in.reset()
    yield four_stacks.deployed
    four_stacks.stand_in.reset()
