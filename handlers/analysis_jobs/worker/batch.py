"""Handles the messages of one invocation: in parallel from a standard queue, one after the other from a FIFO queue."""

from collections.abc import Sequence
from typing import Any

from analysis_jobs.worker.slots import Batch, Handle, Place, Record, Slots, succeeds


def handle_batch(records: Sequence[Record], handle: Handle, slots: Slots | None = None) -> dict[str, Any]:
    """Call `handle` for every record. Return the failed ones in the form of `ReportBatchItemFailures`.

    A worker spends most of its time waiting for models, so the jobs of an invocation run in threads. With `slots` the
    invocation also receives further messages while it lasts. On a FIFO queue, the first failure ends the batch: all
    later messages must come back with the failed one, to keep their order.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if any(record["eventSourceARN"].endswith(".fifo") for record in records):
        handled = 0
        while handled < len(records) and succeeds(records[handled], handle, Place()):
            handled += 1
        failed = list(records[handled:])
    else:
        failed = Batch(handle, slots).run(records)
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
