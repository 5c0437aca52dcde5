"""The sweeper function: run every minute."""

from functools import cache
from typing import Any

from analysis_jobs import observability, settings, wiring
from analysis_jobs.sweep import Sweeper


@cache
def _sweeper() -> Sweeper:
    return wiring.sweeper(settings.from_environment())


def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Sweep once; the answer counts the steps taken."""
    steps = _sweeper().sweep()
    observability.flush()
    return dict(steps)
