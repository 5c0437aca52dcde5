"""The API function. Each invocation handles one HTTP request."""

from analysis_jobs.base import startup

# isort: split
from datetime import timedelta
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.api.routes import Api
from analysis_jobs.base import observability, probe, settings, tracing


@cache
@startup.paused_collector()
def _api() -> Api:
    return wiring.api(settings.from_environment())


@observability.contained
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the response to an HTTP API event (payload format 2.0)."""
    api = _api()
    if probe.is_probe(event):
        return probe.answer()
    response = api.resolve(event, context)
    observability.flush()
    tracing.flush(timedelta(milliseconds=context.get_remaining_time_in_millis()))
    return response


startup.finish(_api)
