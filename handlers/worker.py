"""The worker function. Each invocation handles one batch of job messages."""

from analysis_jobs.base import startup

# isort: split
from datetime import timedelta
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, probe, settings, tracing
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.slots import Place, Record, Slots
from analysis_jobs.worker.visibility import Visibility
from analysis_jobs.worker.worker import Worker


@cache
@startup.paused_collector()
def _worker() -> Worker:
    return wiring.worker(settings.from_environment())


@observability.contained
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an SQS event. The response names the messages to redeliver (`ReportBatchItemFailures`)."""
    worker = _worker()
    if probe.is_probe(event):
        return probe.answer()
    time_left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    began_at = worker.clock.now()
    # With a short timeout, reserve at most a quarter of it, so that the job gets the rest.
    stop_at = began_at + time_left - min(worker.settings.stop_margin, time_left / 4)
    visibility = Visibility(worker.source, worker.clock) if worker.source else None

    def handle(record: Record, place: Place) -> None:
        message = Message.parse(record["body"], record["eventSourceARN"], record["receiptHandle"])
        worker.handle(message, stop_at, Invocation(place.shared, visibility, began_at, place.late))

    slots = None
    if worker.source and worker.settings.jobs_per_invocation > 1:
        expected = max(analysis.estimated_time for analysis in worker.analyses.values())
        slots = Slots(worker.settings.jobs_per_invocation, worker.source, worker.clock, stop_at, expected)
    response = handle_batch(event["Records"], handle, slots)
    observability.flush()
    tracing.flush(timedelta(milliseconds=context.get_remaining_time_in_millis()))
    return response


startup.finish(_worker)
