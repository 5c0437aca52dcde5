"""Handles a batch of SQS records: in parallel from a standard queue, one after the other from a FIFO queue."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from analysis_jobs.base.observability import log

Record: TypeAlias = dict[str, Any]


class KeepMessage(Exception):  # noqa: N818 - nothing failed
    """The message must come back. The raiser has set its visibility timeout. It is not logged as a failure."""


def handle_batch(records: Sequence[Record], handle: Callable[[Record], None]) -> dict[str, Any]:
    """Call `handle` for every record. Return the failed ones in the form of `ReportBatchItemFailures`.

    A worker spends most of its time waiting for models, so the jobs of an invocation run in threads. On a FIFO queue,
    the first failure ends the batch: all later messages must come back with the failed one, to keep their order.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if any(record["eventSourceARN"].endswith(".fifo") for record in records):
        handled = 0
        while handled < len(records) and _succeeds(records[handled], handle):
            handled += 1
        failed = records[handled:]
    else:
        with ThreadPoolExecutor(max_workers=max(1, len(records)), thread_name_prefix="job") as threads:
            outcomes = list(threads.map(lambda record: _succeeds(record, handle), records))
        failed = [record for record, succeeded in zip(records, outcomes, strict=True) if not succeeded]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def _succeeds(record: Record, handle: Callable[[Record], None]) -> bool:
    try:
        handle(record)
    except KeepMessage:
        return False
    except Exception as error:  # noqa: BLE001 - any error returns this message, and must not affect the others
        log("message.failed", "the message goes back", error=error, message_id=record["messageId"])
        return False
    return True
