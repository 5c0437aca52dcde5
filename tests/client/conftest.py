"""A deployment on moto, and everything that calls it."""

import asyncio
import os
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from analysis_jobs.client import Jobs
from tests.client.callers import KINDS, Gateway, caller
from tests.client.environment import variables_of
from tests.handlers.deployment import Deployment, deployed

ANALYSES = "tests.client.analyses"


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """Deploy the functions with the analyses of these tests."""
    with deployed() as found, patch.dict(os.environ, {"ANALYSES": ANALYSES, "INLINE_BYTES": "100"}):
        yield found


@pytest.fixture
def environment(deployment: Deployment) -> dict[str, str]:
    """Return what the module's output `backend_environment` contains."""
    return variables_of(deployment, ANALYSES)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture(params=KINDS)
def calling(
    request: pytest.FixtureRequest, environment: dict[str, str], gateway: Gateway
) -> Iterator[Callable[[str], Jobs]]:
    """Return a function that returns a caller for a tenant. A test runs once with each kind."""
    with asyncio.Runner() as runner:
        yield lambda tenant: caller(request.param, tenant, environment, runner, gateway)


@pytest.fixture
def jobs(calling: Callable[[str], Jobs]) -> Jobs:
    return calling("acme")
