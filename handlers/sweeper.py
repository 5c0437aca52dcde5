"""The sweeper function. A schedule invokes it every minute."""

from analysis_jobs.base import startup

# isort: split
from datetime import timedelta
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, probe, settings
from analysis_jobs.sweeper.sweeper import Sweeper


@cache
@startup.paused_collector()
def _sweeper() -> Sweeper:
    return wiring.sweeper(settings.from_environment())


# The last step, the log lines and the metrics need this much of the invocation's time.
_MARGIN = timedelta(seconds=5)


@observability.contained
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Sweep once. Return how many jobs got each step, by the name of the step."""
    sweeper = _sweeper()
    if probe.is_probe(event):
        return probe.answer()
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        return dict(sweeper.sweep(sweeper.clock.now() + left - _MARGIN))
    finally:
        observability.flush()


startup.finish(_sweeper)
