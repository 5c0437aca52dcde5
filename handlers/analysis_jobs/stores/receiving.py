"""Reads every message of a queue, for commands that decide about each one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs.base.batches import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_sqs import SQSClient

_BATCH_SIZE = 10  # the limit of SQS
# Long enough to decide about all messages. If this process dies, they become visible after this time.
_VISIBILITY_S = 300
LONG_POLL_S = 1
"""A long poll asks all of SQS's servers, so an empty answer means an empty queue."""


class EveryMessage:
    """Yields every visible message of a queue once. At the end of the block, those that were not deleted are visible.

    In a FIFO queue, a message behind ten others of its group cannot be received while those are held.
    """

    def __init__(self, client: SQSClient, queue_url: str, wait_s: int = LONG_POLL_S) -> None:
        self._client = client
        self._url = queue_url
        self._wait_s = wait_s
        self._held: dict[str, str] = {}  # receipt handles by the ids of the messages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for some in batches(list(self._held.values()), _BATCH_SIZE):
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(some)
            ]
            with suppress(BotoCoreError, ClientError):  # they become visible after the visibility timeout
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def __iter__(self) -> Iterator[Any]:
        seen: set[str] = set()
        while messages := self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH_SIZE,
            VisibilityTimeout=_VISIBILITY_S,
            WaitTimeSeconds=self._wait_s,
        ).get("Messages"):
            fresh = [message for message in messages if message["MessageId"] not in seen]
            seen.update(message["MessageId"] for message in fresh)
            self._held.update({message["MessageId"]: message["ReceiptHandle"] for message in messages})
            yield from fresh

    def delete(self, message: Any) -> None:
        """Delete a message that was yielded."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=self._held.pop(message["MessageId"]))
