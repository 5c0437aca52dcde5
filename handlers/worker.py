"""The worker function. Each invocation handles one batch of job messages."""

from datetime import timedelta
from functools import cache
from typing import Any

from analysis_jobs import wiring
from analysis_jobs.base import observability, probe, settings, tracing
from analysis_jobs.worker.batch import Record, handle_batch
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker


@cache
def _worker() -> Worker:
    return wiring.worker(settings.from_environment())


@observability.contained
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an SQS event. The response names the messages to redeliver (`ReportBatchItemFailures`)."""
    worker = _worker()
    if probe.is_probe(event):
        return probe.answer()
    time_left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    # With a short timeout, reserve at most a quarter of it, so that the job gets the rest.
    stop_at = worker.clock.now() + time_left - min(worker.settings.stop_margin, time_left / 4)

    def handle(record: Record) -> None:
        worker.handle(Message.parse(record["body"], record["eventSourceARN"], record["receiptHandle"]), stop_at)

    response = handle_batch(event["Records"], handle)
    observability.flush()
    tracing.flush(timedelta(milliseconds=context.get_remaining_time_in_millis()))
    return response
