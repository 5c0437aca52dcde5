"""The events function: a batch of changes of the job table an invocation; from a failed one on they come back."""

from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, settings
from analysis_jobs.events.publisher import Publisher


@cache
def _events() -> Publisher:
    return wiring.publisher(settings.events_from_environment())


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Publish the events of a batch; the answer names the record to go on at (`ReportBatchItemFailures`).

    Raises RuntimeError where nothing went out: a run without any progress is to be seen among the function's errors.
    The batch comes back all the same.
    """
    records = event["Records"]
    done = _events().publish(records)
    observability.flush()
    if done == len(records):
        return {"batchItemFailures": []}
    if done == 0:
        raise RuntimeError(f"no event of {len(records)} changes could be published, see the log")
    return {"batchItemFailures": [{"itemIdentifier": records[done]["dynamodb"]["SequenceNumber"]}]}
