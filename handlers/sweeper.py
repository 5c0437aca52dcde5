"""The sweeper function. A schedule invokes it every minute."""

from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, probe, settings
from analysis_jobs.sweeper.sweeper import Sweeper


@cache
def _sweeper() -> Sweeper:
    return wiring.sweeper(settings.from_environment())


@observability.contained
def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Sweep once. Return how many jobs got each step, by the name of the step."""
    sweeper = _sweeper()
    if probe.is_probe(event):
        return probe.answer()
    steps = sweeper.sweep()
    observability.flush()
    return dict(steps)
