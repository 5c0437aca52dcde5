"""The job queues on SQS."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs.base.batches import batches
from analysis_jobs.jobs.ports import JobMessage, ReceivedMessage
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.tiers import TierPointer

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# The limit of SQS for DelaySeconds.
_MAX_DELAY = timedelta(minutes=15)
_MAX_BATCH = 10


class SqsJobQueue:
    """Sends job messages. `queue_urls` maps each priority to the URL of its queue."""

    def __init__(self, client: SQSClient, queue_urls: Mapping[str, str]) -> None:
        self._client = client
        self._urls = queue_urls
        # A message can come from a queue that is retired, which no priority has. The module makes all queues in one
        # account and Region, so their URLs differ in the name only.
        self._base_url = next(iter(queue_urls.values())).rsplit("/", 1)[0]

    def can_delay(self, priority: str, delay: timedelta) -> bool:
        """See `JobQueue.can_delay`. FIFO queues do not support a delay of single messages."""
        return delay <= (timedelta() if self.is_fifo(priority) else _MAX_DELAY)

    def is_fifo(self, priority: str) -> bool:
        """See `JobQueue.is_fifo`."""
        return self._url(priority).endswith(".fifo")

    def send(  # noqa: PLR0913 - the port's signature
        self,
        priority: str,
        job: JobKey,
        *,
        dedupe: str,
        delay: timedelta = timedelta(),
        tier_rank: int | None = None,
        subject: str | None = None,
        alone: bool = False,
    ) -> None:
        """See `JobQueue.send`."""
        message = JobMessage(priority, job, dedupe, delay, tier_rank, subject, alone)
        url = self._url(priority)
        self._client.send_message(QueueUrl=url, **_entry(url, message))

    def send_all(self, messages: Sequence[JobMessage]) -> Sequence[JobMessage]:
        """See `JobQueue.send_all`."""
        lanes: dict[str, list[JobMessage]] = {}
        for message in messages:
            lanes.setdefault(self._url(message.priority), []).append(message)
        requests = [(url, batch) for url, lane in lanes.items() for batch in batches(lane, _MAX_BATCH)]
        left: list[JobMessage] = []
        while requests:
            url, batch = requests.pop(0)
            try:
                left += self._send_batch(url, batch)
            except ClientError:  # the queue answers: it refuses this batch as a whole
                left += batch
            except (BotoCoreError, OSError):  # the queue cannot be reached: each further request would wait for it too
                return [*left, *batch, *(message for _, later in requests for message in later)]
        return left

    def _send_batch(self, url: str, batch: Sequence[JobMessage]) -> Sequence[JobMessage]:
        # 10 pointers have a few KB. SQS takes 1 MiB in a request.
        entries: Any = [{"Id": str(number), **_entry(url, message)} for number, message in enumerate(batch)]
        response = self._client.send_message_batch(QueueUrl=url, Entries=entries)
        return [batch[int(failed["Id"])] for failed in response.get("Failed", [])]

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """See `JobQueue.extend`."""
        self._client.change_message_visibility(
            QueueUrl=self._url_of(queue_arn), ReceiptHandle=receipt_handle, VisibilityTimeout=_seconds(visibility)
        )

    def extend_all(self, queue_arn: str, receipt_handles: Sequence[str], visibility: timedelta) -> Mapping[str, str]:
        """See `MessageSource.extend_all`."""
        failed: dict[str, str] = {}
        for batch in batches(iter(receipt_handles), _MAX_BATCH):
            response = self._client.change_message_visibility_batch(
                QueueUrl=self._url_of(queue_arn),
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": _seconds(visibility)}
                    for number, receipt in enumerate(batch)
                ],
            )
            failed |= {batch[int(each["Id"])]: each["Code"] for each in response.get("Failed", [])}
        return failed

    def receive(self, queue_arn: str, most: int, wait: timedelta) -> Sequence[ReceivedMessage]:
        """See `MessageSource.receive`."""
        response = self._client.receive_message(
            QueueUrl=self._url_of(queue_arn),
            MaxNumberOfMessages=min(most, _MAX_BATCH),
            WaitTimeSeconds=int(wait.total_seconds()),
        )
        return [
            ReceivedMessage(message["MessageId"], message["Body"], message["ReceiptHandle"])
            for message in response.get("Messages", [])
        ]

    def delete(self, queue_arn: str, receipt_handle: str) -> None:
        """See `MessageSource.delete`."""
        self._client.delete_message(QueueUrl=self._url_of(queue_arn), ReceiptHandle=receipt_handle)

    def put_back(self, queue_arn: str, body: str, tenant: str) -> None:
        """See `MessageSource.put_back`."""
        self._client.send_message(QueueUrl=self._url_of(queue_arn), MessageBody=body, MessageGroupId=tenant)

    def _url_of(self, queue_arn: str) -> str:
        return f"{self._base_url}/{queue_arn.rsplit(':', 1)[-1]}"

    def _url(self, priority: str) -> str:
        # If a priority is not deployed any more, its jobs use another queue. Else they would wait until their deadline.
        return self._urls.get(priority) or next(iter(self._urls.values()))


def _entry(url: str, message: JobMessage) -> dict[str, Any]:
    """Return a message as the arguments of `SendMessage`, or as an entry of `SendMessageBatch`."""
    job = message.job
    # On a standard queue the message group gives each tenant a fair share. On a FIFO queue it is the unit of order: a
    # failing message blocks the later ones of its group, which is one subject or a single job.
    options: dict[str, Any] = {
        "MessageGroupId": job.tenant,
        "DelaySeconds": _seconds(min(message.delay, _MAX_DELAY)),
    }
    if url.endswith(".fifo"):
        tiered = message.tier_rank is not None  # the tiers define the order
        group = job.job_id if tiered else _fifo_group(job, message.subject)
        options = {"MessageGroupId": group, "MessageDeduplicationId": message.dedupe}
    pointer: dict[str, Any] = {"job_id": job.job_id, "tenant": job.tenant}
    if message.tier_rank is not None:
        pointer |= TierPointer(message.priority, message.tier_rank, delayed=message.delay > timedelta()).body()
    if message.alone:
        pointer["alone"] = True  # earlier versions ignore it
    return {"MessageBody": json.dumps(pointer), **options}


def _fifo_group(job: JobKey, subject: str | None) -> str:
    """Return the message group. SQS limits it to 128 ASCII characters, so a subject is hashed."""
    if subject is None:
        return job.job_id
    return hashlib.sha256(f"{job.tenant}\n{subject}".encode(errors="surrogatepass")).hexdigest()


def _seconds(duration: timedelta) -> int:
    # Round up: a message must not become visible too early.
    return math.ceil(duration.total_seconds())
