"""A batch of SQS records: side by side on a standard queue, one after the other on a FIFO queue."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from analysis_jobs.base.observability import log

type Record = dict[str, Any]


class KeepMessage(Exception):  # noqa: N818 - nothing failed
    """The message shall come back, and whoever raises this has seen to when."""


def handle_batch(records: Sequence[Record], handle: Callable[[Record], None]) -> dict[str, Any]:
    """Hand every record to `handle`; return which failed, as `ReportBatchItemFailures` wants it.

    A worker waits for models nearly all of its time, so the jobs of one invocation run in threads. In a FIFO queue what
    follows a failed message must wait for it, and comes back with it.
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
    except Exception as error:  # noqa: BLE001 - the message goes back, whatever it was; the others are not to blame
        log("message.failed", "the message goes back", error=error, message_id=record["messageId"])
        return False
    return True
