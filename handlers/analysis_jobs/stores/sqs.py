"""The lanes' queues on SQS."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from analysis_jobs.record import JobKey

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

    def holds_back(self, lane: str, delay: timedelta) -> bool:
        """See `JobQueue.holds_back`. FIFO queues take no delay per message."""
        return delay <= (timedelta() if self._url(lane).endswith(".fifo") else _LONGEST_DELAY)

    def send(self, lane: str, job: JobKey, *, dedupe: str, delay: timedelta = timedelta()) -> None:
        """See `JobQueue.send`."""
        url = self._url(lane)
        # On a standard queue the group gives tenants fair shares; on a FIFO queue a job is a group of its own, because
        # there a failing message holds its group up.
        options: dict[str, Any] = {
            "MessageGroupId": job.tenant,
            "DelaySeconds": _seconds(min(delay, _LONGEST_DELAY)),
        }
        if url.endswith(".fifo"):
            options = {"MessageGroupId": job.job_id, "MessageDeduplicationId": dedupe}
        body = json.dumps({"job_id": job.job_id, "tenant": job.tenant})
        self._client.send_message(QueueUrl=url, MessageBody=body, **options)

    def extend(self, queue_arn: str, receipt_handle: str, visibility: timedelta) -> None:
        """See `JobQueue.extend`."""
        url = self._url_by_name[queue_arn.rsplit(":", 1)[-1]]
        self._client.change_message_visibility(
            QueueUrl=url, ReceiptHandle=receipt_handle, VisibilityTimeout=_seconds(visibility)
        )

    def _url(self, lane: str) -> str:
        # A lane that is no longer deployed: its jobs go on in another, and do not wait for their deadline.
        return self._urls.get(lane) or next(iter(self._urls.values()))


def _seconds(duration: timedelta) -> int:
    # Up: a message must not be there before its time.
    return math.ceil(duration.total_seconds())
