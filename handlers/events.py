"""The events function. Each invocation handles one batch of stream records of the job table."""

from analysis_jobs.base import startup

# isort: split
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, probe, settings
from analysis_jobs.base.errors import InvocationFailedError
from analysis_jobs.events.publisher import Publisher


@cache
@startup.paused_collector()
def _events() -> Publisher:
    return wiring.publisher(settings.events_from_environment())


@observability.contained
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Publish the events of a batch. The response names the first record to retry (`ReportBatchItemFailures`).

    Raises `InvocationFailedError` if no event was published, so that the function's error metric shows the outage.
    Lambda retries the batch either way.
    """
    events = _events()
    if probe.is_probe(event):
        return probe.answer()
    records = event["Records"]
    done = events.publish(records)
    observability.flush()
    if done == len(records):
        return {"batchItemFailures": []}
    if done == 0:
        raise InvocationFailedError(f"none of {len(records)} stream records was published; see the log")
    return {"batchItemFailures": [{"itemIdentifier": records[done]["dynamodb"]["SequenceNumber"]}]}


startup.finish(_events)
