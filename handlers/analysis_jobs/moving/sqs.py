"""An SQS queue: each message holds a job, or names it.

Disable the mapping of the old worker first. The message is the only record of its job, so it is deleted only after the
job was submitted. A message that was received by a run that died becomes visible again, and is submitted under the same
idempotency key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis_jobs.moving.source import OldJob, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from types_boto3_sqs import SQSClient

_VISIBILITY_S = 300


@dataclass(frozen=True)
class SqsSource:
    """See `Source`.

    Args:
        client: A boto3 client for SQS.
        url: The URL of the queue, or of its dead-letter queue.
        read: Returns the old id and the content of a message's body. A `ValueError` leaves the message in the queue.
        wait_s: The long poll of each request. An empty answer to a long poll means an empty queue.
    """

    client: SQSClient
    url: str
    read: Callable[[str], tuple[str, Mapping[str, Any]]]
    wait_s: int = 1
    unreadable: list[str] = field(default_factory=list)
    _handles: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the source, for idempotency keys: a queue and its dead-letter queue share the jobs."""
        return f"sqs {self.url.rsplit('/', 1)[-1].removesuffix('.fifo').removesuffix('-dlq')}"

    def unfinished(self) -> Iterator[OldJob]:
        """See `Source.unfinished`. Two messages of one job are one job."""
        while messages := self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=_VISIBILITY_S, WaitTimeSeconds=self.wait_s
        ).get("Messages"):
            for message in messages:
                try:
                    old_id, raw = self.read(message["Body"])
                except ValueError:
                    self.unreadable.append(message["MessageId"])
                    continue
                self._handles.setdefault(old_id, []).append(message["ReceiptHandle"])
                yield OldJob(old_id, State.QUEUED, raw)

    def take(self, old: OldJob) -> bool:
        """See `Source.take`. A received message is hidden from others."""
        return old.old_id in self._handles

    def finish(self, old: OldJob, new_id: str) -> None:  # noqa: ARG002 - a queue keeps no record
        """See `Source.finish`. Deletes the messages of the job."""
        for handle in self._handles.pop(old.old_id, []):
            options: dict[str, Any] = {"QueueUrl": self.url, "ReceiptHandle": handle}
            self.client.delete_message(**options)

    def find(self, old_id: str) -> OldJob | None:  # noqa: ARG002 - a queue cannot be searched
        """See `Source.find`. A queue cannot be searched: read the table that the old system answers from."""
        return None
