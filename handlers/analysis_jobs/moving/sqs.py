"""An SQS queue with a worker, and a table with the state of each job.

Switch off the event source mapping of the old worker before a move: a message that this adapter receives is then
nobody else's.
"""

import json
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from analysis_jobs.moving.items import Claim, Item, Phase, Problem, Source

_COUNTS = {
    "ApproximateNumberOfMessages": "wait",
    "ApproximateNumberOfMessagesNotVisible": "are in flight",
    "ApproximateNumberOfMessagesDelayed": "are delayed",
}
_WAIT_S = 1  # long polling asks every server of SQS; a short poll can miss messages


class SqsQueue:
    """Work as messages of a standard or FIFO queue, or of its dead-letter queue.

    Args:
        client: boto3's client of SQS.
        queue_url: The queue.
        rows: The table with the state of each job: a `DynamoTable` or a `PostgresTable`.
        id_field: The field of the message's JSON with the old id.
        visibility_s: For how many seconds a received message is hidden from others.

    After the last message, the open rows that have no message are moved too, by the rules of `rows`. They are left
    while the queue has any message: it could belong to one of them. A message is deleted only after its row names the
    new job. Every other message stays, and is visible again at the end of the run.
    """

    def __init__(
        self, client: Any, queue_url: str, rows: Source, *, id_field: str = "job_id", visibility_s: int = 300
    ) -> None:
        self.name = rows.name
        self._client = client
        self._url = queue_url
        self._rows = rows
        self._id_field = id_field
        self._visibility_s = visibility_s
        self._held: dict[str, str] = {}

    def open_work(self, now: datetime, *, take: bool) -> Generator[Item | Problem, None, None]:
        """Yield the received messages, then the open rows without a message. Without `take`, the open rows only."""
        if not take:
            yield from map(_with_message, self._rows.open_work(now, take=False))
            return
        try:
            while (message := self._receive()) and message["MessageId"] not in self._held:
                self._held[message["MessageId"]] = message["ReceiptHandle"]
                yield self._item(message, now)
        finally:
            self._show_again()
        if not self.notes():
            yield from self._rows.open_work(now, take=True)

    def look(self, old_id: str, now: datetime) -> Item | Problem | None:
        """Return the item of an id, from the table."""
        return self._rows.look(old_id, now)

    def claim(self, item: Item, claim: Claim) -> bool:
        """Mark the row."""
        return self._rows.claim(item, claim)

    def release(self, item: Item) -> None:
        """Give the row its state from before the move. The message stays in the queue."""
        self._rows.release(item)

    def settle(self, item: Item, job_id: str) -> bool:
        """Name the job in the row."""
        return self._rows.settle(item, job_id)

    def forget(self, item: Item) -> None:
        """Delete the message."""
        if item.receipt is not None:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=item.receipt)
            self._held = {each: receipt for each, receipt in self._held.items() if receipt != item.receipt}

    def notes(self) -> list[str]:
        """Return how many messages the queue still has. SQS counts approximately, and within about a minute."""
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(_COUNTS))["Attributes"]
        counts = [f"{answer[name]} {verb}" for name, verb in _COUNTS.items() if int(answer[name])]
        return [f"messages in {self._url}: {', '.join(counts)}"] if counts else []

    def _show_again(self) -> None:
        while self._held:
            _, receipt = self._held.popitem()
            with suppress(self._client.exceptions.ClientError):  # it is visible already
                self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0)

    def _receive(self) -> Any:
        found = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=_WAIT_S,
            VisibilityTimeout=self._visibility_s,
        )
        return next(iter(found.get("Messages", [])), None)

    def _item(self, message: Any, now: datetime) -> Item | Problem:
        where = f"message {message['MessageId']}"
        try:
            body = json.loads(message["Body"])
            old_id = str(body[self._id_field])
        except (ValueError, LookupError, TypeError) as error:
            return Problem(where, f"its body names no job in {self._id_field!r}: {error!r}")
        found = self._rows.look(old_id, now)
        if found is None:
            return Problem(old_id, f"{where} names it, but it has no row")
        if isinstance(found, Problem):
            return found
        return _with_message(replace(found, message=body, receipt=message["ReceiptHandle"]))


def _with_message(found: Item | Problem) -> Item | Problem:
    """Return a queued item without its waiting time: that is for rows that have lost their message."""
    if isinstance(found, Item) and found.phase is Phase.QUEUED and not found.moved_to:
        return replace(found, wait="")
    return found
