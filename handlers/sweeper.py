"""The sweeper function. A schedule invokes it every minute."""

from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, settings
from analysis_jobs.sweeper.sweeper import Sweeper


@cache
def _sweeper() -> Sweeper:
    return wiring.sweeper(settings.from_environment())


@observability.contained
def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Sweep once. Return how many jobs got each step, by the name of the step."""
    steps = _sweeper().sweep()
    observability.flush()
    return dict(steps)
