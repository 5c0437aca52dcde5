"""The worker function: a batch of job messages an invocation; the ones that could not be handled come back."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from analysis_jobs import observability, settings, wiring
from analysis_jobs.work import Message, Worker


@cache
def _worker() -> Worker:
    return wiring.worker(settings.from_environment())


def handler(event: dict[str, Any], context: Any) -> Any:
    """Handle an SQS event; the answer names the messages that failed (`ReportBatchItemFailures`)."""
    fifo = any(record["eventSourceARN"].endswith(".fifo") for record in event.get("Records", []))
    # In a FIFO queue, what follows a failed message must wait for it.
    processor = SqsFifoPartialProcessor() if fifo else BatchProcessor(EventType.SQS)
    # A failed batch of one is a failed message, not a failed function.
    processor.raise_on_entire_batch_failure = False
    answer = process_partial_response(event, _handle, processor, context)
    observability.flush()
    return answer


def _handle(record: SQSRecord) -> None:
    try:
        _worker().handle(Message.parse(record.body, record.event_source_arn, record.receipt_handle))
    except Exception as error:
        observability.log("message.failed", "the message goes back", error=error, message_id=record.message_id)
        raise
