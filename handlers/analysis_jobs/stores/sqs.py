"""The lanes' queues on SQS."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from analysis_jobs.jobs.record import JobKey
from analysis_jobs.jobs.tiers import TierPointer

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# SQS: DelaySeconds is at most 15 minutes.
_LONGEST_DELAY = timedelta(minutes=15)


class SqsJobQueue:
    """Sends pointers to jobs into lanes; `queue_urls` maps a lane to its queue."""

    def __init__(self, client: SQSClient, queue_urls: Mapping[str, str]) -> None:
        self._client = client
        self._urls = queue_urls
        self._url_by_name = {url.rsplit("/", 1)[-1]: url for url in queue_urls.values()}

    def can_delay(self, priority: str, delay: timedelta) -> bool:
        """See `JobQueue.holds_back`. FIFO queues take no delay per message."""
        return delay <= (timedelta() if self.is_fifo(priority) else _LONGEST_DELAY)

    def is_fifo(self, priority: str) -> bool:
        """See `JobQueue.in_order`."""
        return self._url(priority).endswith(".fifo")

    def send(  # noqa: PLR0913 - what a job's row says of its message, and when
        self,
        priority: str,
        job: JobKey,
        *,
        dedupe: str,
        delay: timedelta = timedelta(),
        tier_rank: int | None = None,
        subject: str | None = None,
    ) -> None:
        """See `JobQueue.send`."""
        url = self._url(priority)
        # On a standard queue the group gives tenants fair shares; on a FIFO queue it is what is kept in order, and held
        # up by a message that fails: the jobs of one subject, or a job alone.
        options: dict[str, Any] = {
            "MessageGroupId": job.tenant,
            "DelaySeconds": _seconds(min(delay, _LONGEST_DELAY)),
        }
        if url.endswith(".fifo"):
            group = _group(job, subject) if tier_rank is None else job.job_id  # tiers are an order of their own
            options = {"MessageGroupId": group, "MessageDeduplicationId": dedupe}
        pointer: dict[str, Any] = {"job_id": job.job_id, "tenant": job.tenant}
        if tier_rank is not None:
            pointer |= TierPointer(priority, tier_rank, delayed=delay > timedelta()).body()
        self._client.send_message(QueueUrl=url, MessageBody=json.dumps(pointer), **options)

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """See `JobQueue.extend`."""
        url = self._url_by_name[queue_arn.rsplit(":", 1)[-1]]
        self._client.change_message_visibility(
            QueueUrl=url, ReceiptHandle=receipt_handle, VisibilityTimeout=_seconds(visibility)
        )

    def _url(self, priority: str) -> str:
        # A lane that is no longer deployed: its jobs go on in another, and do not wait for their deadline.
        return self._urls.get(priority) or next(iter(self._urls.values()))


def _group(job: JobKey, subject: str | None) -> str:
    """Return a group's name, which SQS takes up to 128 characters of: subjects may be longer, and in any script."""
    if subject is None:
        return job.job_id
    return hashlib.sha256(f"{job.tenant}\n{subject}".encode(errors="surrogatepass")).hexdigest()


def _seconds(duration: timedelta) -> int:
    # Up: a message must not be there before its time.
    return math.ceil(duration.total_seconds())
